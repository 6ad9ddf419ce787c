package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/product/internal/inventory"
)

// fakeBinding is a sidecar that records the call and returns a prepared answer.
type fakeBinding struct {
	operation, said, answer string
	err                     error
}

func (w *fakeBinding) Bind(_ context.Context, name, operation string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil || name != "redis-lua" {
		return errors.Join(err, errors.New("binding "+name))
	}
	w.operation, w.said = operation, string(raw)
	if w.err != nil || out == nil {
		return w.err
	}
	return json.Unmarshal([]byte(w.answer), out)
}

// The operations and fields are those of components/redislua/README.md; the component refuses any others.
func TestTheGateUsesTheBindingsOperations(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		operation, said, answer string
		call                    func(g *Gate) (any, error)
		want                    any
	}{
		{"hold", `{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"7","quantity":2}]}`,
			`{"status":"sold_out","shortages":[{"product_id":"7","available":1}],"missing":[]}`,
			func(g *Gate) (any, error) {
				return g.Hold(ctx, "1", []inventory.Line{{ProductID: "7", Quantity: 2}}, time.Minute)
			}, inventory.GateHold{Status: "sold_out", Missing: []string{},
				Shortages: []inventory.Shortage{{ProductID: "7", Available: 1}}}},
		{"hold", `{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"7","quantity":2}],"shopper_id":"5","max_units":9,` +
			`"unpaid":[{"order_id":"3","product_id":"7","quantity":8}],"ended":["4"]}`,
			`{"status":"too_many","shortages":[{"product_id":"7","available":1}],` +
				`"own":[{"product_id":"7","order_id":"3","quantity":8,"in_gate":true}],"missing":[]}`,
			func(g *Gate) (any, error) {
				return g.HoldFor(ctx, inventory.Buyer{ID: "5", MaxUnits: 9, Ended: []string{"4"},
					Unpaid: []inventory.OwnUnits{{ProductID: "7", OrderID: "3", Quantity: 8}}}, "1",
					[]inventory.Line{{ProductID: "7", Quantity: 2}}, time.Minute)
			}, inventory.GateHold{Status: "too_many", Missing: []string{},
				Shortages: []inventory.Shortage{{ProductID: "7", Available: 1}},
				Own: []inventory.GateOwn{{InGate: true,
					OwnUnits: inventory.OwnUnits{ProductID: "7", OrderID: "3", Quantity: 8}}}}},
		{"unhold", `{"order_id":"1"}`, `{"status":"absent"}`,
			func(g *Gate) (any, error) { return nil, g.Unhold(ctx, "1") }, nil},
		{"apply", `{"items":[{"product_id":"7","base":6,"version":3,"recorded":["1"]}]}`, `{"items":[]}`,
			func(g *Gate) (any, error) {
				return nil, g.Apply(ctx, []inventory.Apply{
					{Stock: inventory.Stock{ProductID: "7", OnHand: 10, Reserved: 4, Version: 3}, Recorded: []string{"1"}},
				})
			}, nil},
		{"apply", `{"items":[{"product_id":"7","base":6,"version":3,"recorded":null,"instead_of":9}]}`, `{"items":[]}`,
			func(g *Gate) (any, error) {
				restored := int64(9)
				return nil, g.Apply(ctx, []inventory.Apply{
					{Stock: inventory.Stock{ProductID: "7", OnHand: 6, Version: 3}, InsteadOf: &restored},
				})
			}, nil},
		{"due", `{"limit":5}`, `{"holds":[{"order_id":"1","lines":[{"product_id":"7","quantity":2}]}]}`,
			func(g *Gate) (any, error) { return g.Due(ctx, 5) },
			[]inventory.Hold{{ID: "1", Lines: []inventory.Line{{ProductID: "7", Quantity: 2}}}}},
		{"extend", `{"order_id":"1","ttl_ms":1000}`, `{"status":"extended"}`,
			func(g *Gate) (any, error) { return nil, g.Extend(ctx, "1", time.Second) }, nil},
		{"held", `{"cursor":"7","limit":5}`, `{"product_ids":["8"],"cursor":"8"}`,
			func(g *Gate) (any, error) {
				ids, next, err := g.HeldProducts(ctx, "7", 5)
				return append(ids, next), err
			}, []string{"8", "8"}},
		{"inspect", `{"product_ids":["7"]}`,
			`{"items":[{"product_id":"7","present":true,"base":6,"version":3,"held":2,"available":4,"orders":{"1":2}}]}`,
			func(g *Gate) (any, error) { return g.Inspect(ctx, []string{"7"}) },
			[]inventory.GateEntry{{ProductID: "7", Present: true, Base: 6, Version: 3, Held: 2,
				Holds: map[string]int64{"1": 2}}}},
		{"run_id", `{}`, `{"run_id":"abc"}`, func(g *Gate) (any, error) { return g.RunID(ctx) }, "abc"},
		{"lock", `{"key":"k","owner":"me","ttl_ms":500}`, `{"acquired":true}`,
			func(g *Gate) (any, error) { return g.Lock(ctx, "k", 500*time.Millisecond) }, true},
	} {
		w := &fakeBinding{answer: c.answer}
		g := NewGate(w)
		g.owner = "me"
		got, err := c.call(g)
		if err != nil || w.operation != c.operation || w.said != c.said {
			t.Errorf("%s: sent %s %s, %v, want %s", c.operation, w.operation, w.said, err, c.said)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: decoded %+v, want %+v", c.operation, got, c.want)
		}
		w.err = errors.New("down")
		if _, err := c.call(g); !errors.Is(err, w.err) {
			t.Errorf("%s with the gate down: %v", c.operation, err)
		}
	}
}

// limitedBinding is the binding with its limits: it refuses calls with too many recorded holds, and records what it
// accepted.
type limitedBinding struct {
	bases    map[string]int64
	recorded map[string]map[string]bool
}

func (s *limitedBinding) Bind(_ context.Context, _, _ string, in, _ any) error {
	raw, err := json.Marshal(in)
	if err != nil || len(raw) > 4<<20 {
		return errors.Join(err, fmt.Errorf("a call of %d bytes", len(raw)))
	}
	var said struct {
		Items []struct {
			ProductID string `json:"product_id"`
			Base      int64
			Recorded  []string
		}
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return err
	}
	for _, it := range said.Items {
		if len(it.Recorded) > 5000 {
			return fmt.Errorf("invalid input: recorded must have at most 5000 entries, not %d", len(it.Recorded))
		}
		s.bases[it.ProductID] = it.Base
		for _, id := range it.Recorded {
			if s.recorded[it.ProductID] == nil {
				s.recorded[it.ProductID] = map[string]bool{}
			}
			s.recorded[it.ProductID][id] = true
		}
	}
	return nil
}

// After an outage during a sale, thousands of recorded orders may wait for one product. If such a call were refused as
// a whole, they would wait forever, and so would all other products in the call.
func TestALargeApplyIsSplit(t *testing.T) {
	many := func(from, n int) []string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprint(1_800_000_000_000_000_000 + from + i)
		}
		return ids
	}
	items := []inventory.Apply{
		{Stock: inventory.Stock{ProductID: "1", OnHand: 1}, Recorded: many(0, 12_345)},
		{Stock: inventory.Stock{ProductID: "2", OnHand: 2}},
	}
	for i := range 198 {
		items = append(
			items,
			inventory.Apply{
				Stock:    inventory.Stock{ProductID: fmt.Sprint(3 + i), OnHand: int64(3 + i)},
				Recorded: many(20_000*i, 1500),
			},
		)
	}
	s := &limitedBinding{bases: map[string]int64{}, recorded: map[string]map[string]bool{}}
	if err := NewGate(s).Apply(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		id := it.Stock.ProductID
		if s.bases[id] != it.Stock.OnHand || len(s.recorded[id]) != len(it.Recorded) {
			t.Errorf(
				"product %s: base %d with %d recorded, want %d with %d", id, s.bases[id], len(s.recorded[id]), it.Stock.OnHand,
				len(it.Recorded),
			)
		}
	}
}

type fakeSidecar struct{ asked sidecar.Request }

func (p *fakeSidecar) Invoke(_ context.Context, r sidecar.Request) error {
	p.asked = r
	*r.Out.(*orderv1.FenceAnswer) = orderv1.FenceAnswer{Exists: true}
	return nil
}

func TestTheFenceIsCalledWithoutAUser(t *testing.T) {
	p := &fakeSidecar{}
	exists, err := NewOrders(p).Fence(t.Context(), "1")
	if !exists || err != nil || p.asked.App != "order" || p.asked.Path != orderv1.PathFence || !p.asked.System ||
		p.asked.In != (orderv1.FenceRequest{OrderID: "1"}) {
		t.Errorf("%t, %v, asked %+v", exists, err, p.asked)
	}
}

// oldBinding refuses what it does not know, as a component of the version before shoppers does.
type oldBinding struct{ said []string }

func (b *oldBinding) Bind(_ context.Context, _, _ string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	b.said = append(b.said, string(raw))
	if strings.Contains(string(raw), "shopper_id") {
		return errors.New(`rpc error: code = InvalidArgument desc = invalid input: json: unknown field "shopper_id"`)
	}
	return json.Unmarshal([]byte(`{"status":"held","shortages":[],"missing":[]}`), out)
}

// While an older component runs beside product, shoppers can buy, without a bound.
func TestAnOldComponentHoldsWithoutABound(t *testing.T) {
	b := &oldBinding{}
	held, err := NewGate(b).HoldFor(t.Context(), inventory.Buyer{ID: "5", MaxUnits: 9}, "1",
		[]inventory.Line{{ProductID: "7", Quantity: 2}}, time.Minute)
	if err != nil || held.Status != inventory.Held || len(b.said) != 2 {
		t.Errorf("%+v, %v after %v; want held by a second call", held, err, b.said)
	}
}
