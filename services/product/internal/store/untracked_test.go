package store

import (
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// track switches the tracking of a product's stock.
func (s *fixture) track(t *testing.T, id string, on bool) catalog.View {
	t.Helper()
	now, err := s.catalog.Get(ctx, id)
	must(t, err)
	v, err := s.catalog.Change(ctx, id, seller, now.Version, catalog.Change{Tracked: &on})
	must(t, err)
	if v.Untracked == on {
		t.Errorf("tracked %t after switching to %t", !v.Untracked, on)
	}
	return v
}

func lines(id string, quantity int64) []inventory.Line { return []inventory.Line{line(id, quantity)} }

func order(id string, all []inventory.Line) inventory.Order {
	return inventory.Order{ID: id, Lines: all}
}

// Orders of a product that is not tracked take nothing from the gate or the ledger, whatever else they contain.
func TestUntrackedProductsAreNeverSoldOut(t *testing.T) {
	s := open(t)
	tea, cup := s.offer(t, 0), s.offer(t, 5)
	s.track(t, tea, false)
	both := []inventory.Line{line(tea, 999), line(cup, 2)}
	for _, id := range []string{"500", "501"} {
		if res := s.hold(t, id, both...); res.Status != inventory.Held || len(res.Lines) != 2 {
			t.Fatalf("hold %s: %+v", id, res)
		}
	}
	if res := s.hold(t, "502", both...); res.Status != inventory.SoldOut || res.Shortages[0].ProductID != cup {
		t.Errorf("the cup is sold out: %+v", res)
	}
	s.gate.Down = true
	if res := s.hold(t, "503", line(tea, 999)); res.Status != inventory.Held {
		t.Errorf("a hold that needs no gate: %+v", res)
	}
	s.gate.Down = false
	s.wantGate(t, tea, 0, 0)
	must(t, s.inventory.Reserve(ctx, order("500", both), order("501", both), order("503", lines(tea, 999))))
	s.applyChanges(t)
	must(t, s.inventory.Deduct(ctx, order("500", both)))
	must(t, s.inventory.Deduct(ctx, order("500", both)))
	must(t, s.inventory.Release(ctx, order("501", both)))
	must(t, s.inventory.Release(ctx, order("504", both)))
	must(t, s.inventory.Reserve(ctx, order("504", both)))
	s.applyChanges(t)
	s.wantStock(t, tea, 0, 0)
	s.wantStock(t, cup, 3, 0)
	s.wantGate(t, tea, 0, 0)
	s.wantGate(t, cup, 3, 0)
	var states string
	must(t, s.db.Raw(`SELECT string_agg(order_id || ' ' || state || ' ' || from_stock, ', ' ORDER BY order_id)
		FROM reservations WHERE product_id = ?::bigint`, tea).Scan(&states).Error)
	if states != "500 deducted false, 501 released false, 503 reserved false, 504 released true" {
		t.Errorf("reservations: %s", states)
	}
	if n := s.rejectedEvents(t); n > 0 {
		t.Errorf("%d rejections", n)
	}
}

// Tracking is switched off and on while orders are open: what was reserved is deducted or released, what was not is
// not. The rebuild of the gate and the reconciler change nothing of that.
func TestSwitchingTrackingOfALiveProduct(t *testing.T) {
	s := open(t)
	tea := s.offer(t, 10)
	s.hold(t, "600", line(tea, 3))
	must(t, s.inventory.Reserve(ctx, order("600", lines(tea, 3))))
	s.applyChanges(t)
	s.hold(t, "601", line(tea, 2)) // its event comes after the switch
	s.track(t, tea, false)
	s.hold(t, "602", line(tea, 50))
	must(t, s.inventory.Reserve(ctx, order("601", lines(tea, 2)), order("602", lines(tea, 50))))
	s.applyChanges(t)
	must(t, s.inventory.Deduct(ctx, order("600", lines(tea, 3)), order("601", lines(tea, 2))))
	s.applyChanges(t)
	must(t, s.reconciler.Reconcile(ctx)) // drops the hold of 601, which is recorded
	s.wantStock(t, tea, 7, 0)
	s.wantGate(t, tea, 7, 0)

	s.gate.Lose()
	s.track(t, tea, true)
	if res := s.hold(t, "603", line(tea, 8)); res.Status != inventory.SoldOut {
		t.Errorf("8 of 7: %+v", res)
	}
	s.hold(t, "603", line(tea, 7))
	must(t, s.inventory.Reserve(ctx, order("603", lines(tea, 7))))
	must(t, s.inventory.Deduct(ctx, order("602", lines(tea, 50))))
	must(t, s.inventory.Deduct(ctx, order("603", lines(tea, 7))))
	s.applyChanges(t)
	s.wantStock(t, tea, 0, 0)
	s.wantGate(t, tea, 0, 0)
}

// An order that was placed while nothing was counted, and whose event comes after counting began, is subject to it.
func TestALateEventFindsTheTrackingOfItsTime(t *testing.T) {
	s := open(t)
	tea := s.offer(t, 1)
	s.track(t, tea, false)
	s.hold(t, "700", line(tea, 2))
	s.track(t, tea, true)
	must(t, s.inventory.Reserve(ctx, order("700", lines(tea, 2))))
	s.wantStock(t, tea, 1, 0)
	if n := s.rejectedEvents(t); n != 1 {
		t.Errorf("%d rejections, want 1", n)
	}
}

// Nobody adjusts stock that is not tracked; an adjustment that was made before keeps its answer.
func TestUntrackedStockIsNotAdjusted(t *testing.T) {
	s := open(t)
	tea := s.offer(t, 10)
	adjust := func(id string, delta int64) (inventory.Stock, error) {
		return s.catalog.AdjustStock(ctx, seller, inventory.Adjustment{ID: id, ProductID: tea, Delta: delta, Reason: "count"})
	}
	_, err := adjust("900", -1)
	must(t, err)
	s.applyChanges(t)
	s.track(t, tea, false)
	for id, delta := range map[string]int64{"901": 5, "902": -5, "903": -50} {
		if _, err := adjust(id, delta); problem.CodeOf(err) != "stock_not_tracked" ||
			problem.KindOf(err) != problem.Conflict {
			t.Errorf("%d: %v, want stock_not_tracked", delta, err)
		}
	}
	if again, err := adjust("900", -1); err != nil || again.OnHand != 9 {
		t.Errorf("the first adjustment again: %+v, %v", again, err)
	}
	s.gate.Pass(ttl + time.Second)
	must(t, s.reconciler.ExpireHolds(ctx))
	s.wantGate(t, tea, 9, 0)
	s.wantStock(t, tea, 9, 0)
}

// A product is created untracked, and its list and page say so.
func TestAProductIsCreatedUntracked(t *testing.T) {
	s := open(t)
	no := false
	v, err := s.catalog.Create(ctx, "77", seller, catalog.CreateParams{Name: "Licence", Price: 100, Tracked: &no})
	must(t, err)
	page, err := s.catalog.Search(ctx, catalog.Query{PageSize: 1})
	must(t, err)
	if !v.Untracked || !page.Items[0].Untracked {
		t.Errorf("%+v, listed %+v", v, page.Items[0])
	}
	s.applyChanges(t)
	if res := s.hold(t, "800", line("77", 5)); res.Status != inventory.Held {
		t.Errorf("%+v", res)
	}
}
