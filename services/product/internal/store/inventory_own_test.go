package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// holdFor holds for a shopper and wants a status.
func (s *fixture) holdFor(t *testing.T, shopper, order, want string, lines ...inventory.Line) catalog.PricedHold {
	t.Helper()
	res, err := s.catalog.Hold(ctx, inventory.HoldRequest{OrderID: order, ShopperID: shopper,
		MaxUnits: s.maxUnits, Lines: lines})
	if err != nil || res.Status != want {
		t.Fatalf("hold %s: %+v, %v; want %s", order, res, err, want)
	}
	return res
}

// place records the order of a hold, as its event does.
func (s *fixture) place(t *testing.T, shopper, order string, lines ...inventory.Line) {
	t.Helper()
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: order, ShopperID: shopper, DueAt: noon, Lines: lines}))
}

const (
	me    = "7"
	other = "8"
)

// A shopper's running checkouts and unpaid orders count together, wherever an order is at the moment: held, recorded
// but not applied, applied, or known only to the ledger. Whatever ends an order ends its part.
func TestAShopperHoldsNoMoreThanAllowed(t *testing.T) {
	s := open(t)
	s.maxUnits = 5
	id := s.offer(t, 100)
	s.holdFor(t, me, "1", inventory.Held, line(id, 3))
	full := func(where string) {
		t.Helper()
		res := s.holdFor(t, me, "2", inventory.TooManyHeld, line(id, 3))
		if len(res.Own) != 1 || res.Own[0].OrderID != "1" || res.Own[0].Quantity != 3 || res.Own[0].Until.IsZero() ||
			res.Shortages[0] != (inventory.Shortage{ProductID: id, Available: 2}) {
			t.Errorf("%s: refused with %+v, want order 1 and room for 2", where, res)
		}
	}
	full("held")
	s.place(t, me, "1", line(id, 3))
	full("recorded but not applied")
	s.applyChanges(t)
	full("applied")
	s.gate.Pass(time.Minute)
	full("known to the ledger only")
	if res := s.holdFor(t, me, "2", inventory.TooManyHeld, line(id, 3)); !res.Own[0].Unpaid || res.Own[0].Until != noon {
		t.Errorf("refused with %+v, want an unpaid order until %s", res, noon)
	}
	s.gate.Lose()
	full("Redis lost")
	s.holdFor(t, other, "3", inventory.Held, line(id, 5))
	s.holdFor(t, me, "4", inventory.Held, line(id, 2))
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 3)}}))
	s.applyChanges(t)
	s.holdFor(t, me, "2", inventory.Held, line(id, 3))
	if s.metrics.Capped != 6 {
		t.Errorf("%d refusals counted, want 6", s.metrics.Capped)
	}
}

// An order that has just ended does not count, although the gate still has it.
func TestAnEndedOrderCountsNoLonger(t *testing.T) {
	for name, end := range map[string]func(*fixture, inventory.Order) error{
		"paid":      func(s *fixture, o inventory.Order) error { return s.inventory.Deduct(ctx, o) },
		"cancelled": func(s *fixture, o inventory.Order) error { return s.inventory.Release(ctx, o) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.maxUnits = 3
			a, b := s.offer(t, 100), s.offer(t, 100)
			s.holdFor(t, me, "1", inventory.Held, line(a, 3))
			s.holdFor(t, me, "2", inventory.Held, line(b, 2))
			s.place(t, me, "1", line(a, 3))
			s.place(t, me, "2", line(b, 2))
			s.applyChanges(t)
			must(t, end(s, inventory.Order{ID: "1", Lines: []inventory.Line{line(a, 3)}}))
			s.applyChanges(t)
			s.holdFor(t, me, "3", inventory.Held, line(a, 3), line(b, 1))
			s.holdFor(t, me, "4", inventory.TooManyHeld, line(b, 1))
		})
	}
}

// The retry of a checkout whose order exists is held, whatever the shopper has ordered since.
func TestARetryOfAnOrderThatExistsIsNotBounded(t *testing.T) {
	s := open(t)
	s.maxUnits = 3
	id := s.offer(t, 100)
	s.holdFor(t, me, "1", inventory.Held, line(id, 2))
	s.place(t, me, "1", line(id, 2))
	s.applyChanges(t)
	s.holdFor(t, me, "2", inventory.Held, line(id, 1))
	s.maxUnits = 2
	s.holdFor(t, me, "1", inventory.Held, line(id, 2))
}

// Many checkouts of one shopper at once, while the events of their orders are handled: never more than allowed.
func TestParallelHoldsOfOneShopperStayWithinTheBound(t *testing.T) {
	s := open(t)
	s.maxUnits = 3
	id := s.offer(t, 6)
	stock := s.concurrent()
	var mu sync.Mutex
	var held []string
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			order := fmt.Sprint(1000 + i)
			_, unpaid, err := s.store.OffersFor(ctx, me, []string{id})
			if err != nil {
				t.Error(err)
				return
			}
			res, err := stock.Hold(ctx, inventory.HoldRequest{OrderID: order, ShopperID: me, MaxUnits: 3,
				Lines: []inventory.Line{line(id, 1)}, Unpaid: unpaid})
			switch {
			case err != nil:
				t.Error(err)
			case res.Status == inventory.Held:
				mu.Lock()
				held = append(held, order)
				mu.Unlock()
				err := stock.Reserve(ctx, inventory.Order{ID: order, ShopperID: me, DueAt: noon,
					Lines: []inventory.Line{line(id, 1)}})
				if err == nil {
					stocks, _, snapErr := s.store.StockSnapshot(ctx, []string{id}, nil)
					if err = snapErr; err == nil {
						err = s.gate.Apply(ctx, []inventory.Apply{{Stock: stocks[0], Recorded: []string{order}}})
					}
				}
				if err != nil {
					t.Error(err)
				}
			case res.Status != inventory.TooManyHeld:
				t.Errorf("hold %s: %+v, want too_many_held", order, res)
			}
		})
	}
	wg.Wait()
	if len(held) != 3 {
		t.Errorf("%v were held, want 3", held)
	}
	s.wantStock(t, id, 6, 3)
	s.wantGate(t, id, 3, 0)
}

// What a shopper's own orders hold is named, if there would be enough without them.
func TestSoldOutByOwnOrders(t *testing.T) {
	s := open(t)
	s.maxUnits = 1000
	id, plenty := s.offer(t, 3), s.offer(t, 100)
	s.holdFor(t, me, "1", inventory.Held, line(id, 1))
	s.holdFor(t, other, "2", inventory.Held, line(id, 1))
	s.holdFor(t, me, "3", inventory.Held, line(id, 1))
	s.place(t, me, "3", line(id, 1))
	for _, c := range []struct {
		shopper  string
		quantity int64
		want     string
		own      int
	}{{me, 2, inventory.HeldByOwn, 2}, {me, 3, inventory.SoldOut, 2}, {other, 1, inventory.HeldByOwn, 1},
		{"9", 1, inventory.SoldOut, 0}, {"", 1, inventory.SoldOut, 0}} {
		res := s.holdFor(t, c.shopper, "4", c.want, line(id, c.quantity), line(plenty, 1))
		if len(res.Own) != c.own || res.Shortages[0] != (inventory.Shortage{ProductID: id}) {
			t.Errorf("%d for %q: %+v, want %d own holds", c.quantity, c.shopper, res, c.own)
		}
		for _, o := range res.Own {
			if o.Unpaid != (o.OrderID == "3") {
				t.Errorf("%+v: only order 3 is an unpaid order", o)
			}
		}
	}
	// With the cap off, running checkouts are not counted, but unpaid orders are known.
	s.maxUnits = 0
	if res := s.holdFor(t, me, "4", inventory.HeldByOwn, line(id, 1)); len(res.Own) == 0 {
		t.Errorf("%+v", res)
	}
}
