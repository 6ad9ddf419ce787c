package gate

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"daprmall.dev/redislua/internal/redistest"
)

// capped is a gate whose shopper "7" may hold 5 units of a product.
type capped struct {
	*Gate
	rdb redis.UniversalClient
	t   *testing.T
}

func openCapped(t *testing.T) capped {
	t.Helper()
	rdb := redistest.Open(t)
	c := capped{New(rdb), rdb, t}
	c.set("p", 100, 1)
	c.set("q", 100, 1)
	return c
}

func (c capped) set(product string, base, version int64, recorded ...string) {
	c.t.Helper()
	if _, err := c.Apply(c.t.Context(), ApplyIn{Items: []ApplyItem{{ProductID: product, Base: &base, Version: &version,
		Recorded: recorded}}}); err != nil {
		c.t.Fatal(err)
	}
}

func (c capped) take(want string, in HoldIn) HoldOut {
	c.t.Helper()
	in.TTL, in.ShopperID, in.MaxUnits = 60000, "7", 5
	if in.Lines == nil {
		in.Lines = []Line{{"p", 2}}
	}
	out, err := c.Hold(c.t.Context(), in)
	if err != nil || out.Status != want {
		c.t.Fatalf("hold %+v: %+v, %v; want %s", in, out, err, want)
	}
	return out
}

// A shopper's holds of one product are bounded together, also those at the same moment; nothing is taken for a refused
// one, and nobody else is affected.
func TestAShoppersUnitsAreBounded(t *testing.T) {
	c := openCapped(t)
	var held atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			out, err := c.Hold(t.Context(), HoldIn{OrderID: fmt.Sprint(i), TTL: 60000, ShopperID: "7", MaxUnits: 5,
				Lines: []Line{{"p", 1}}})
			switch {
			case err == nil && out.Status == "held":
				held.Add(1)
			case err != nil || out.Status != "too_many":
				t.Errorf("hold %d: %+v, %v", i, out, err)
			}
		})
	}
	wg.Wait()
	state, err := c.Inspect(t.Context(), InspectIn{ProductIDs: []string{"p"}})
	if err != nil || held.Load() != 5 || state.Items[0].Held != 5 {
		t.Fatalf("%d held, the gate has %+v, %v; want 5", held.Load(), state, err)
	}
	out := c.take("too_many", HoldIn{OrderID: "99", Lines: []Line{{"p", 1}, {"q", 5}}})
	if len(out.Shortages) != 1 || out.Shortages[0] != (Shortage{"p", 0}) || len(out.Own) != 5 || !out.Own[0].InGate {
		t.Errorf("refused with %+v, want product p and five own holds", out)
	}
	if other, err := c.Hold(t.Context(), HoldIn{OrderID: "100", TTL: 60000, ShopperID: "8", MaxUnits: 5,
		Lines: []Line{{"p", 5}}}); err != nil || other.Status != "held" {
		t.Errorf("another shopper: %+v, %v", other, err)
	}
}

// What ends a hold ends its part of the bound; what the ledger has reserved counts, each order once.
func TestWhatCountsForAShopper(t *testing.T) {
	c := openCapped(t)
	c.take("held", HoldIn{OrderID: "1", Lines: []Line{{"p", 2}, {"q", 1}}})
	c.take("held", HoldIn{OrderID: "1", Lines: []Line{{"p", 2}, {"q", 1}}}) // a repetition
	c.take("held", HoldIn{OrderID: "2"})
	c.take("too_many", HoldIn{OrderID: "3"})
	if _, err := c.Unhold(t.Context(), OrderIn{"2"}); err != nil {
		t.Fatal(err)
	}
	c.take("held", HoldIn{OrderID: "3"})

	// An order that has just moved into the ledger still counts, whether the caller has read it there or not.
	c.set("p", 98, 2, "1")
	for _, unpaid := range [][]Reserved{nil, {{"1", "p", 2}}} {
		out := c.take("too_many", HoldIn{OrderID: "4", Unpaid: unpaid})
		if len(out.Own) != 2 || out.Shortages[0].Available != 1 {
			t.Errorf("refused with %+v, want orders 1 and 3, and one unit more", out)
		}
	}
	// Nor is an order counted that has ended since, or after a while if the ledger does not have it.
	c.take("held", HoldIn{OrderID: "4", Ended: []string{"1"}})
	c.take("too_many", HoldIn{OrderID: "5"})
	c.set("p", 96, 3, "3")
	if err := c.rdb.HSet(t.Context(), prefixShopper+"7:p", "3", "2:1").Err(); err != nil {
		t.Fatal(err)
	}
	c.take("held", HoldIn{OrderID: "5"})

	// A lost gate counts what the ledger has.
	if err := c.rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	c.set("p", 90, 4)
	out := c.take("too_many", HoldIn{OrderID: "6", Unpaid: []Reserved{{"4", "p", 2}, {"5", "p", 2}}})
	if len(out.Own) != 2 || out.Own[0].InGate || out.Own[1].InGate {
		t.Errorf("refused with %+v, want orders 4 and 5, not in the gate", out)
	}
}

// A sold-out product comes with what the shopper's other orders hold of it.
func TestSoldOutNamesTheShoppersOwnHolds(t *testing.T) {
	c := openCapped(t)
	c.set("r", 3, 1)
	c.take("held", HoldIn{OrderID: "1", Lines: []Line{{"r", 2}}})
	out := c.take("sold_out", HoldIn{OrderID: "2", Lines: []Line{{"r", 3}}, Unpaid: []Reserved{{"9", "q", 1}}})
	if len(out.Own) != 1 || out.Own[0] != (OwnUnits{"r", "1", 2, true}) || out.Shortages[0].Available != 1 {
		t.Errorf("%+v, want the hold of order 1", out)
	}
}

// Operators see who holds what, also holds without a shopper.
func TestOpenHoldsAreListed(t *testing.T) {
	c := openCapped(t)
	c.take("held", HoldIn{OrderID: "1", Lines: []Line{{"q", 1}, {"p", 2}}})
	if _, err := c.Hold(t.Context(), HoldIn{OrderID: "adj-2", TTL: 90000, Lines: []Line{{"p", 1}}}); err != nil {
		t.Fatal(err)
	}
	for skip, want := range []string{"[{1 7 [{p 2} {q 1}]} {adj-2  [{p 1}]}]", "[{adj-2  [{p 1}]}]", "[]"} {
		page, err := c.Holds(t.Context(), HoldsIn{Skip: int64(skip), Limit: 10})
		got := []string{}
		for _, h := range page.Holds {
			got = append(got, fmt.Sprintf("{%s %s %v}", h.OrderID, h.ShopperID, h.Lines))
			if h.Until == 0 {
				t.Errorf("hold %s has no deadline", h.OrderID)
			}
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("after %d: %v, %v; want %s", skip, got, err, want)
		}
	}
}
