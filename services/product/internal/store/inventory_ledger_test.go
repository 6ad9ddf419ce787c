package store

import (
	"fmt"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// The seller of a product and admins see every change of its stock, newest first and page by page, also the archived
// ones. For others the product does not exist.
func TestTheLedgerOfAProductIsShownToItsSeller(t *testing.T) {
	s := open(t)
	tea := s.offer(t, 10)
	lines := []inventory.Line{line(tea, 2)}
	s.hold(t, "201", lines...)
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "201", Lines: lines}))
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: "201", Lines: lines}))
	_, err := s.catalog.AdjustStock(ctx, seller, inventory.Adjustment{ID: "50", ProductID: tea, Delta: 3, Reason: "found"})
	must(t, err)
	list := func(by catalog.Actor, before int64, limit int) string {
		t.Helper()
		entries, err := s.catalog.Ledger(ctx, tea, by, before, limit)
		must(t, err)
		var all []string
		for _, e := range entries {
			all = append(all, fmt.Sprintf("%d %s %+d %+d = %d %d by %s%s %s", e.After.Version, e.Kind, e.OnHandDelta,
				e.ReservedDelta, e.After.OnHand, e.After.Reserved, e.OrderID, e.Actor, e.Reason))
			if e.At.IsZero() {
				t.Errorf("entry %d has no time", e.After.Version)
			}
		}
		return fmt.Sprintf("%q", all)
	}
	want := `["4 adjust +3 +0 = 11 0 by 5 found" "3 deduct -2 -2 = 8 0 by 201 " "2 reserve +0 +2 = 10 2 by 201 " ` +
		`"1 initial +10 +0 = 10 0 by 5 first stock"]`
	for range 2 {
		for _, by := range []catalog.Actor{seller, {UserID: "1", Admin: true}} {
			if got := list(by, 0, 20); got != want {
				t.Errorf("%+v sees %s, want %s", by, got, want)
			}
		}
		if got := list(seller, 3, 1); got != `["2 reserve +0 +2 = 10 2 by 201 "]` {
			t.Errorf("the second page is %s", got)
		}
		s.archived(t)
	}
	if _, err := s.catalog.Ledger(ctx, tea, catalog.Actor{UserID: "6", Seller: true}, 0, 20); problem.KindOf(err) !=
		problem.NotFound {
		t.Errorf("another seller: %v, want not found", err)
	}
}

// What the ledger has recorded of an order is found, also when it is archived: its reservations, or that it was
// rejected.
func TestTheStockOfAnOrderIsFound(t *testing.T) {
	s := open(t)
	tea, cup := s.offer(t, 10), s.offer(t, 10)
	lines := []inventory.Line{line(tea, 2), line(cup, 1)}
	s.hold(t, "201", lines...)
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "201", Lines: lines},
		inventory.Order{ID: "202", Lines: []inventory.Line{line(tea, 50)}}))
	want := func(state string) {
		t.Helper()
		for order, want := range map[string]string{"201": fmt.Sprintf("[%s 2 %s %s 1 %s] rejected false", tea, state, cup,
			state), "202": "[] rejected true", "203": "[] rejected false"} {
			found, err := s.store.StockOfOrder(ctx, order)
			must(t, err)
			var all []string
			for _, l := range found.Lines {
				all = append(all, fmt.Sprint(l.ProductID, " ", l.Quantity, " ", l.State))
			}
			if got := fmt.Sprint(all, " rejected ", !found.RejectedAt.IsZero()); got != want {
				t.Errorf("order %s: %s, want %s", order, got, want)
			}
		}
	}
	want("reserved")
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: "201", Lines: lines}))
	s.archived(t)
	want("deducted")
}
