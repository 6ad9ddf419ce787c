package store

import (
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

func TestStockIsHeldBeforeItIsTakenOut(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	s.hold(t, "1", line(id, 8))
	out := func(adj string, delta int64) (inventory.Stock, error) {
		return s.catalog.AdjustStock(ctx, seller, inventory.Adjustment{ID: adj, ProductID: id, Delta: delta, Reason: "count"})
	}
	if _, err := out("901", -3); problem.CodeOf(err) != "insufficient_stock" {
		t.Errorf("taking out held stock: %v, want insufficient_stock", err)
	}
	got, err := out("902", -2)
	if err != nil || got.OnHand != 8 {
		t.Fatalf("taking out available stock: %+v, %v", got, err)
	}
	s.wantGate(t, id, 10, 10) // the change is not applied yet: the hold takes its place
	if again, err := out("902", -2); err != nil || again.OnHand != 8 {
		t.Errorf("the same adjustment again: %+v, %v, want no second effect", again, err)
	}
	s.unapplied = nil
	must(t, s.reconciler.Reconcile(ctx))
	s.wantGate(t, id, 8, 8)
	s.wantStock(t, id, 8, 0)

	s.gate.Down = true
	if _, err := out("903", -1); err == nil {
		t.Error("taking out without a gate succeeded")
	}
	if got, err := out("904", 5); err != nil || got.OnHand != 13 {
		t.Errorf("a delivery without a gate: %+v, %v", got, err)
	}
	s.gate.Down = false
	s.applyChanges(t)
	s.wantGate(t, id, 13, 8)
	for who, by := range map[string]catalog.Actor{"other seller": {UserID: "6", Seller: true}} {
		_, err := s.catalog.AdjustStock(ctx, by, inventory.Adjustment{ID: "905", ProductID: id, Delta: 1, Reason: "x"})
		if problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s: %v, want not found", who, err)
		}
	}
}

func TestTheHoldOfAnAbandonedAdjustmentIsReleased(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	if _, err := s.gate.Hold(ctx, "adj-901", []inventory.Line{line(id, 4)}, ttl); err != nil {
		t.Fatal(err)
	}
	s.gate.Pass(ttl + time.Second) // the process died between hold and commit
	must(t, s.reconciler.ExpireHolds(ctx))
	s.wantGate(t, id, 10, 0)
}

func TestRemovedAndUnknownProductsAreUnavailable(t *testing.T) {
	s := open(t)
	a, b := s.offer(t, 10), s.offer(t, 10)
	must(t, s.catalog.Remove(ctx, b, seller))
	res := s.hold(t, "1", line(a, 1), line(b, 1))
	if res.Status != inventory.Unavailable || len(res.Shortages) != 1 || res.Shortages[0].ProductID != b {
		t.Errorf("a removed product: %+v", res)
	}
	s.wantGate(t, a, 10, 0)
	res = s.hold(t, "2", line(a, 1), line("424242", 1))
	if res.Status != inventory.Unavailable || len(res.Shortages) != 1 || res.Shortages[0].ProductID != "424242" {
		t.Errorf("an unknown product: %+v", res)
	}
	s.wantGate(t, a, 10, 0)
}
