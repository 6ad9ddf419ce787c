package inventorytest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// ownEntry is what a shopper's order holds; ends is set once the ledger has recorded it.
type ownEntry struct {
	quantity int64
	ends     time.Time
}

// countsAfterwards is how long an order that the ledger has recorded is still counted.
const countsAfterwards = 10 * time.Second

// ownOf returns what a shopper's other orders hold of product id.
func (g *gated) ownOf(b inventory.Buyer, id, order string, now time.Time) (sum int64, own []inventory.GateOwn) {
	seen := map[string]bool{order: true}
	for _, ended := range b.Ended {
		seen[ended] = true
		delete(g.own[b.ID], ended)
	}
	add := func(order string, quantity int64, inGate bool) {
		if seen[order] {
			return
		}
		seen[order] = true
		sum += quantity
		own = append(own, inventory.GateOwn{InGate: inGate,
			OwnUnits: inventory.OwnUnits{ProductID: id, OrderID: order, Quantity: quantity}})
	}
	for order, e := range g.own[b.ID] {
		if !e.ends.IsZero() && e.ends.Before(now) {
			delete(g.own[b.ID], order)
			continue
		}
		_, inGate := g.holds[order]
		add(order, e.quantity, inGate)
	}
	for _, u := range b.Unpaid {
		if u.ProductID == id {
			add(u.OrderID, u.Quantity, false)
		}
	}
	return sum, own
}

func (g *gated) hold(b inventory.Buyer, order string, quantity int64) {
	g.holds[order] = quantity
	if b.ID == "" {
		return
	}
	g.shopperOf[order] = b.ID
	if b.MaxUnits > 0 {
		if g.own[b.ID] == nil {
			g.own[b.ID] = map[string]ownEntry{}
		}
		g.own[b.ID][order] = ownEntry{quantity: quantity}
	}
}

// end removes a hold. One that the ledger has recorded counts for its shopper a while longer.
func (g *gated) end(order string, recorded bool, now time.Time) {
	shopper := g.shopperOf[order]
	if e, counted := g.own[shopper][order]; counted && recorded {
		e.ends = now.Add(countsAfterwards)
		g.own[shopper][order] = e
	} else {
		delete(g.own[shopper], order)
	}
	delete(g.holds, order)
	delete(g.shopperOf, order)
}

// refuse returns the refusal of a hold, with an empty status if there is none.
func (g *Gate) refuse(b inventory.Buyer, id string, lines []inventory.Line) inventory.GateHold {
	missing := inventory.GateHold{Status: "missing"}
	many, short := inventory.GateHold{Status: "too_many"}, inventory.GateHold{Status: "sold_out"}
	for _, l := range lines {
		p, ok := g.products[l.ProductID]
		if !ok {
			missing.Missing = append(missing.Missing, l.ProductID)
			continue
		}
		sum, own := p.ownOf(b, l.ProductID, id, g.now)
		add := func(to *inventory.GateHold, left int64) {
			to.Shortages = append(to.Shortages, inventory.Shortage{ProductID: l.ProductID, Available: max(left, 0)})
			if b.ID != "" {
				to.Own = append(to.Own, own...)
			}
		}
		if b.MaxUnits > 0 && sum+l.Quantity > b.MaxUnits {
			add(&many, b.MaxUnits-sum)
		}
		if left := p.base - p.held(); left < l.Quantity {
			add(&short, left)
		}
	}
	switch {
	case len(missing.Missing) > 0:
		return missing
	case len(many.Shortages) > 0:
		return many
	case len(short.Shortages) > 0:
		return short
	}
	return inventory.GateHold{}
}

// Holds is inventory.Gate.
func (g *Gate) Holds(_ context.Context, skip, limit int) ([]inventory.OpenHold, error) {
	leave, err := g.enter(checkLimit(limit))
	if err != nil {
		return nil, err
	}
	defer leave()
	ids := slices.SortedFunc(
		maps.Keys(g.due), func(a, b string) int { return cmp.Or(g.due[a].Compare(g.due[b]), cmp.Compare(a, b)) },
	)
	var holds []inventory.OpenHold
	for _, id := range ids[min(skip, len(ids)):min(skip+limit, len(ids))] {
		if strings.HasPrefix(id, inventory.AdjustmentPrefix) {
			continue
		}
		for _, p := range slices.Sorted(maps.Keys(g.lines[id])) {
			holds = append(holds, inventory.OpenHold{OrderID: id, ProductID: p, Quantity: g.lines[id][p],
				ShopperID: g.products[p].shopperOf[id], Until: g.due[id].UTC()})
		}
	}
	return holds, nil
}
