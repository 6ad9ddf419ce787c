package gate

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"daprmall.dev/redislua/internal/redistest"
)

// model is the gate as section 4 of docs/architecture.md describes it: a base with its version per product, and open
// holds. Everything else is derived from these.
type model struct {
	base, version map[string]int64
	holds         map[string]map[string]int64 // order -> product -> quantity
}

func (m *model) held(product string) (sum int64) {
	for _, lines := range m.holds {
		sum += lines[product]
	}
	return sum
}

// TestGateFollowsTheModel runs random operations on a real Redis and on the model, and compares every product after
// every step.
func TestGateFollowsTheModel(t *testing.T) {
	rdb := redistest.Open(t)
	g := New(rdb)
	ctx := t.Context()
	products := []string{"p1", "p2", "p3", "p4"}
	orders := []string{"1", "2", "3", "4", "5", "6"}

	rapid.Check(t, func(rt *rapid.T) {
		if err := rdb.FlushDB(ctx).Err(); err != nil {
			rt.Fatal(err)
		}
		m := &model{base: map[string]int64{}, version: map[string]int64{}, holds: map[string]map[string]int64{}}
		lowered := map[string]bool{}

		rt.Repeat(map[string]func(*rapid.T){
			"hold":      func(rt *rapid.T) { stepHold(rt, g, m, products, orders) },
			"hold many": func(rt *rapid.T) { stepHoldMany(rt, g, m, products, orders) },
			"unhold":    func(rt *rapid.T) { stepUnhold(rt, g, m, orders) },
			"apply":     func(rt *rapid.T) { stepApply(rt, g, m, lowered, products, orders) },
			"":          func(rt *rapid.T) { compare(rt, g, m, lowered, products) },
		})
	})
}

func stepHold(rt *rapid.T, g *Gate, m *model, products, orders []string) {
	in := drawHold(rt, products, orders)
	want := m.hold(in)
	got, err := g.Hold(rt.Context(), in)
	if (want.status == "refused") != (err != nil) || (err == nil && got.Status != want.status) {
		rt.Fatalf("hold %+v: %+v, %v, want %s", in, got, err, want.status)
	}
	want.compare(rt, got)
}

// stepHoldMany: many holds in one call are the same as one after the other.
func stepHoldMany(rt *rapid.T, g *Gate, m *model, products, orders []string) {
	var in HoldManyIn
	var want []answer
	for range rapid.IntRange(1, 8).Draw(rt, "holds") {
		h := drawHold(rt, products, orders)
		if rapid.IntRange(0, 9).Draw(rt, "malformed") == 0 {
			h.Lines = append(h.Lines, Line{ProductID: products[0]})
			in.Holds, want = append(in.Holds, h), append(want, answer{status: "refused"})
			continue
		}
		in.Holds, want = append(in.Holds, h), append(want, m.hold(h))
	}
	if rapid.IntRange(0, 9).Draw(rt, "forgetful") == 0 {
		if err := g.rdb.ScriptFlush(rt.Context()).Err(); err != nil {
			rt.Fatal(err)
		}
	}
	got, err := g.HoldMany(rt.Context(), in)
	if err != nil || len(got.Holds) != len(want) {
		rt.Fatalf("hold %+v: %+v, %v", in, got, err)
	}
	for i, w := range want {
		if w.status == "refused" {
			w.status = failed
		}
		if got.Holds[i].Status != w.status {
			rt.Fatalf("hold %d of %+v: %+v, want %s", i, in, got.Holds[i], w.status)
		}
		w.compare(rt, got.Holds[i])
	}
}

func drawHold(rt *rapid.T, products, orders []string) HoldIn {
	lines := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Line {
		return Line{ProductID: rapid.SampledFrom(products).Draw(rt, "product"),
			Quantity: rapid.Int64Range(1, 5).Draw(rt, "quantity")}
	}), 1, 4).Draw(rt, "lines")
	return HoldIn{OrderID: rapid.SampledFrom(orders).Draw(rt, "order"), TTL: 60000, Lines: lines}
}

// answer is what the model says to a hold: left of each product, and wanted.
type answer struct {
	status       string
	left, wanted map[string]int64
}

func (a answer) compare(rt *rapid.T, got HoldOut) {
	for _, s := range got.Shortages {
		if left := a.left[s.ProductID]; s.Available != left || a.wanted[s.ProductID] <= left {
			rt.Fatalf("shortage %+v, want %d left of %d wanted", s, left, a.wanted[s.ProductID])
		}
	}
}

func (m *model) hold(in HoldIn) answer {
	a := answer{status: "held", left: map[string]int64{}, wanted: map[string]int64{}}
	for _, l := range in.Lines {
		a.wanted[l.ProductID] += l.Quantity
		a.left[l.ProductID] = max(m.base[l.ProductID]-m.held(l.ProductID), 0)
	}
	open, known := m.holds[in.OrderID]
	switch {
	case known && fmt.Sprint(open) != fmt.Sprint(a.wanted):
		a.status = "refused"
	case known:
	default:
		for p, q := range a.wanted {
			if _, ok := m.base[p]; !ok {
				a.status = "missing"
			} else if a.status == "held" && m.base[p]-m.held(p) < q {
				a.status = "sold_out"
			}
		}
		if a.status == "held" {
			m.holds[in.OrderID] = a.wanted
		}
	}
	return a
}

func stepUnhold(rt *rapid.T, g *Gate, m *model, orders []string) {
	order := rapid.SampledFrom(orders).Draw(rt, "order")
	want := "absent"
	if _, ok := m.holds[order]; ok {
		want = "released"
	}
	delete(m.holds, order)
	got, err := g.Unhold(rt.Context(), OrderIn{OrderID: order})
	if err != nil || got.Status != want {
		rt.Fatalf("unhold %s: %+v, %v, want %s", order, got, err, want)
	}
}

func stepApply(rt *rapid.T, g *Gate, m *model, lowered map[string]bool, products, orders []string) {
	product := rapid.SampledFrom(products).Draw(rt, "product")
	base := rapid.Int64Range(0, 12).Draw(rt, "base")
	version := rapid.Int64Range(1, 8).Draw(rt, "version")
	recorded := rapid.SliceOfNDistinct(rapid.SampledFrom(orders), 0, 3, rapid.ID[string]).Draw(rt, "recorded")

	item := ApplyItem{ProductID: product, Base: &base, Version: &version, Recorded: recorded}
	if rapid.Bool().Draw(rt, "replaces") {
		instead := rapid.Int64Range(1, 8).Draw(rt, "instead of")
		item.InsteadOf = &instead
	}
	if was, ok := m.version[product]; !ok || version > was || item.InsteadOf != nil && was == *item.InsteadOf {
		lowered[product] = lowered[product] || base < m.base[product]
		m.base[product], m.version[product] = base, version
	}
	for _, order := range recorded {
		delete(m.holds[order], product)
		if len(m.holds[order]) == 0 {
			delete(m.holds, order)
		}
	}
	for range rapid.IntRange(1, 2).Draw(rt, "repeats") {
		if _, err := g.Apply(rt.Context(), ApplyIn{Items: []ApplyItem{item}}); err != nil {
			rt.Fatal(err)
		}
	}
}

func compare(rt *rapid.T, g *Gate, m *model, lowered map[string]bool, products []string) {
	ctx := rt.Context()
	seen, err := g.Inspect(ctx, InspectIn{ProductIDs: products})
	if err != nil {
		rt.Fatal(err)
	}
	var withHolds []string
	for _, it := range seen.Items {
		base, present := m.base[it.ProductID]
		held := m.held(it.ProductID)
		if held > 0 {
			withHolds = append(withHolds, it.ProductID)
		}
		if it.Present != present || it.Base != base || it.Version != m.version[it.ProductID] || it.Held != held ||
			it.Available != base-held {
			rt.Fatalf("product %s: %+v, want base %d version %d held %d", it.ProductID, it, base, m.version[it.ProductID], held)
		}
		var sum int64
		for order, q := range it.Orders {
			sum += q
			if m.holds[order][it.ProductID] != q {
				rt.Fatalf("product %s holds %d for order %s, want %d", it.ProductID, q, order, m.holds[order][it.ProductID])
			}
		}
		if sum != it.Held {
			rt.Fatalf("product %s: running sum %d, its holds make %d", it.ProductID, it.Held, sum)
		}
		if it.Available < 0 && !lowered[it.ProductID] {
			rt.Fatalf("product %s: available %d though its base was never lowered", it.ProductID, it.Available)
		}
	}
	open, err := g.Held(ctx, HeldIn{Limit: 100})
	if err != nil || fmt.Sprint(open.ProductIDs) != fmt.Sprint(append([]string{}, withHolds...)) {
		rt.Fatalf("products with holds: %v, %v, want %v", open.ProductIDs, err, withHolds)
	}
	if n, err := g.rdb.ZCard(ctx, keyDue).Result(); err != nil || int(n) != len(m.holds) {
		rt.Fatalf("%d deadlines, %v, want one per open order: %d", n, err, len(m.holds))
	}
}
