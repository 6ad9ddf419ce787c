package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/inventory"
)

func TestAPurchaseMovesStockFromGateToLedger(t *testing.T) {
	s := open(t)
	a, b := s.offer(t, 10), s.offer(t, 5)
	res := s.hold(t, "1", line(a, 2), line(b, 1), line(a, 1))
	if res.Status != inventory.Held || len(res.Lines) != 2 || res.Lines[0].Quantity != 3 || res.Lines[0].Price != 12900 ||
		res.Lines[0].SellerID != "5" {
		t.Fatalf("hold: %+v", res)
	}
	s.wantGate(t, a, 10, 3)
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(a, 3), line(b, 1)}}))
	s.applyChanges(t)
	s.wantStock(t, a, 10, 3)
	s.wantGate(t, a, 7, 0)
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(a, 3), line(b, 1)}}))
	s.applyChanges(t)
	s.wantStock(t, a, 7, 0)
	s.wantStock(t, b, 4, 0)
	s.wantGate(t, a, 7, 0)
	s.wantGate(t, b, 4, 0)
}

func TestReconcilingRepairsACrashBetweenCommitAndApply(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	s.hold(t, "1", line(id, 4))
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 4)}}))
	s.unapplied = nil // the process dies here
	s.wantGate(t, id, 10, 4)
	must(t, s.reconciler.Reconcile(ctx))
	s.wantGate(t, id, 6, 0)
	must(t, s.reconciler.Reconcile(ctx))
	s.wantGate(t, id, 6, 0)
	if s.metrics.Repairs != 1 {
		t.Errorf("%d repairs, want 1", s.metrics.Repairs)
	}
}

// A cancelled order leaves no hold through which its product would be found again. If the process dies before the
// apply, the next one repairs the gate, because it reconciles all products when it starts.
func TestARestartRepairsALostRelease(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	s.hold(t, "1", line(id, 4))
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 4)}}))
	s.applyChanges(t)
	must(t, s.reconciler.WatchRedis(ctx))
	must(t, s.inventory.Release(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 4)}}))
	s.unapplied = nil // the process dies here
	s.wantGate(t, id, 6, 0)
	next := inventory.NewReconciler(
		s.store, s.gate, s.orders, s.feed, func() time.Duration { return ttl }, s.metrics, slog.New(slog.DiscardHandler),
	)
	must(t, next.WatchRedis(ctx))
	s.wantGate(t, id, 10, 0)
}

// The answer to a commit is lost, because of the connection or a slow disk. No process dies or starts, so nothing is
// applied. A release that leaves no hold is found nevertheless; otherwise its units would never be sold again.
func TestALostApplyIsRepairedWithoutARestart(t *testing.T) {
	s := open(t)
	id := s.offer(t, 1)
	must(t, s.reconciler.WatchRedis(ctx))
	s.hold(t, "1", line(id, 1))
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 1)}}))
	s.applyChanges(t)
	must(t, s.inventory.Release(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 1)}}))
	s.unapplied = nil
	must(t, s.reconciler.ExpireHolds(ctx))
	must(t, s.reconciler.WatchRedis(ctx))
	must(t, s.reconciler.Reconcile(ctx))
	s.wantGate(t, id, 1, 0)
}

func TestRepeatedAndReorderedAppliesEndInTheSameState(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	for _, order := range []string{"1", "2"} {
		s.hold(t, order, line(id, 2))
		must(t, s.inventory.Reserve(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, 2)}}))
	}
	unapplied := s.unapplied
	for _, i := range []int{1, 0, 0, 1} {
		must(t, s.gate.Apply(ctx, unapplied[i:i+1]))
		if base, held, _ := s.gate.State(id); base-held > 6 {
			t.Errorf("after apply %d the gate has %d available, want at most 6", i, base-held)
		}
	}
	s.wantGate(t, id, 6, 0)
}

func TestALostProductIsRebuiltByOneBuyer(t *testing.T) {
	s := open(t)
	id := s.offer(t, 50)
	s.gate.Lose()
	var wg sync.WaitGroup
	var held atomic.Int64
	for i := range 60 {
		wg.Go(func() {
			res, err := s.catalog.Hold(ctx, inventory.HoldRequest{OrderID: fmt.Sprint(1000 + i),
				Lines: []inventory.Line{line(id, 1)}})
			if err != nil {
				t.Errorf("hold: %v", err)
			}
			if res.Status == inventory.Held {
				held.Add(1)
			}
		})
	}
	wg.Wait()
	if held.Load() != 50 || s.gate.Locks != 1 {
		t.Errorf("%d of 60 buyers hold one of 50, %d read the database; want 50 and 1", held.Load(), s.gate.Locks)
	}
	s.wantGate(t, id, 50, 50)
}

// The buyer that rebuilds a product dies. Its lock expires, and another one rebuilds while the buyers still wait.
func TestARebuilderThatDiesIsReplaced(t *testing.T) {
	s := open(t)
	id := s.offer(t, 5)
	s.gate.Lose()
	if won, err := s.gate.Other().Lock(ctx, "rebuild:"+id, time.Minute); err != nil || !won {
		t.Fatalf("lock: %v, %v", won, err)
	}
	s.gate.OnLost = func() { s.gate.Pass(time.Minute) } // a buyer finds the lock taken, then the lock expires
	if res := s.hold(t, "1", line(id, 5)); res.Status != inventory.Held || s.gate.Locks != 2 {
		t.Errorf("the buyer who waited: %+v, %d locks; want held, and a second lock", res, s.gate.Locks)
	}
}

func TestLostHoldsCannotOversell(t *testing.T) {
	s := open(t)
	id := s.offer(t, 3)
	s.hold(t, "1", line(id, 3))
	s.gate.Lose()
	s.hold(t, "2", line(id, 3)) // the gate has lost order 1
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 3)}}))
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(id, 3)}}))
	s.applyChanges(t)
	s.wantStock(t, id, 3, 3)
	if n := s.rejectedEvents(t); n != 1 || s.metrics.Rejections != 1 {
		t.Errorf("%d rejection events, %d counted, want 1", n, s.metrics.Rejections)
	}
	// Later events of the rejected order do not affect the stock.
	must(t, s.inventory.Release(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(id, 3)}}))
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(id, 3)}}))
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(id, 3)}}))
	s.wantStock(t, id, 3, 3)
	if n := s.rejectedEvents(t); n != 1 {
		t.Errorf("%d rejection events after repeats, want 1", n)
	}
	must(t, s.reconciler.Reconcile(ctx)) // the hold of the rejected order is removed
	s.wantGate(t, id, 0, 0)
}

func TestTheGateIsRepairedAfterRedisWasRestored(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	must(t, s.reconciler.WatchRedis(ctx))
	s.hold(t, "1", line(id, 4))
	restore := s.gate.Snapshot()
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 4)}}))
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 4)}}))
	s.applyChanges(t)
	s.wantGate(t, id, 6, 0)
	restore()
	s.wantGate(t, id, 10, 4)
	s.gate.Life = "second"
	must(t, s.reconciler.WatchRedis(ctx))
	s.wantGate(t, id, 6, 0)

	s.gate.Lose()
	s.gate.Life = "third"
	must(t, s.reconciler.WatchRedis(ctx))
	s.wantGate(t, id, 6, 0)
}

func TestAnExpiredHoldIsRemovedOnlyAfterAFence(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	s.orders.Known["2"] = true
	for _, order := range []string{"1", "2", "3"} {
		s.hold(t, order, line(id, 1))
	}
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "3", Lines: []inventory.Line{line(id, 1)}}))
	s.unapplied = nil
	must(t, s.reconciler.ExpireHolds(ctx))
	if len(s.orders.Asked) > 0 {
		t.Fatalf("order was asked about %v before they expired", s.orders.Asked)
	}
	s.gate.Pass(ttl + time.Second)
	s.orders.Err = problem.NewUnavailable(errors.New("order is down"), time.Second, "later")
	if err := s.reconciler.ExpireHolds(ctx); !errors.Is(err, s.orders.Err) {
		t.Errorf("while order is down: %v", err)
	}
	s.wantGate(t, id, 9, 2) // 3 is recorded; 1 and 2 wait for an answer
	s.orders.Err = nil
	must(t, s.reconciler.ExpireHolds(ctx))
	s.wantGate(t, id, 9, 1) // 1 does not exist and never will; 2 stays until its event arrives
	s.gate.Pass(ttl + time.Second)
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(id, 1)}}))
	s.unapplied = nil
	must(t, s.reconciler.ExpireHolds(ctx))
	s.wantGate(t, id, 8, 0)
	failed := s.metrics.Expired["failed"] // the round during which order was down made up to two calls
	want := map[string]int{"recorded": 2, "released": 1, "extended": 1, "failed": failed}
	if fmt.Sprint(s.metrics.Expired) != fmt.Sprint(want) || failed < 1 || failed > 2 {
		t.Errorf("outcomes %v, want %v", s.metrics.Expired, want)
	}
}

func TestManyExpiredHoldsAreRemovedInOneRound(t *testing.T) {
	s := open(t)
	id := s.offer(t, 1000)
	for i := range 450 {
		if _, err := s.gate.Hold(ctx, fmt.Sprint(1000+i), []inventory.Line{line(id, 1)}, ttl); err != nil {
			t.Fatal(err)
		}
	}
	s.gate.Pass(ttl + time.Second)
	must(t, s.reconciler.ExpireHolds(ctx))
	s.wantGate(t, id, 1000, 0)
}

// The last unit was ordered and its hold recorded. The answer to the buyer was lost, so the checkout runs again: it
// must not be answered with sold_out.
func TestARetryAfterTheReservationIsStillHeld(t *testing.T) {
	s := open(t)
	id := s.offer(t, 1)
	s.hold(t, "1", line(id, 1))
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 1)}}))
	s.applyChanges(t)
	if res := s.hold(t, "1", line(id, 1)); res.Status != inventory.Held || len(res.Lines) != 1 {
		t.Errorf("the retry gets %+v, want held", res)
	}
	if res := s.hold(t, "2", line(id, 1)); res.Status != inventory.SoldOut ||
		res.Shortages[0] != (inventory.Shortage{ProductID: id}) {
		t.Errorf("another buyer gets %+v, want sold out", res)
	}
	s.wantGate(t, id, 0, 0)
}

// An order was placed, but its event has not arrived, the answer is lost, and the seller removes one of its products.
// The repeated checkout is answered with unavailable, but the order keeps its holds.
func TestARetryAfterARemovalKeepsTheOrdersHolds(t *testing.T) {
	s := open(t)
	gone, stays := s.offer(t, 1), s.offer(t, 1)
	s.hold(t, "1", line(gone, 1), line(stays, 1))
	s.orders.Known["1"] = true
	must(t, s.catalog.Remove(ctx, gone, seller))
	if res := s.hold(t, "1", line(gone, 1), line(stays, 1)); res.Status != inventory.Unavailable {
		t.Errorf("the retry gets %+v, want unavailable", res)
	}
	if res := s.hold(t, "2", line(stays, 1)); res.Status != inventory.SoldOut {
		t.Errorf("another buyer of the order's last unit gets %+v, want sold out", res)
	}
}

func TestRepeatedAndReorderedEventsMoveStockOnce(t *testing.T) {
	s := open(t)
	id := s.offer(t, 100)
	q := []inventory.Line{line(id, 1)}
	do := map[string]func(context.Context, ...inventory.Order) error{
		"placed":    s.inventory.Reserve,
		"paid":      s.inventory.Deduct,
		"cancelled": s.inventory.Release,
	}
	for order, events := range map[string][]string{
		"1": {"placed", "placed", "paid", "paid", "placed"}, "2": {"paid", "placed"},
		"3": {"cancelled", "placed", "cancelled"},
		"4": {"placed", "cancelled", "placed"}, "5": {"placed"},
	} {
		for _, e := range events {
			if err := do[e](ctx, inventory.Order{ID: order, Lines: q}); err != nil {
				t.Errorf("order %s, %s: %v", order, e, err)
			}
		}
	}
	s.wantStock(t, id, 98, 1)
}

func TestARolledBackEventLeavesNothing(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	boom := errors.New("boom")
	err := s.inTx(func(ctx context.Context) error {
		if err := s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 1)}}); err != nil {
			return err
		}
		if err := s.inventory.Reserve(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(id, 99)}}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) || len(s.unapplied) > 0 || s.rejectedEvents(t) > 0 {
		t.Errorf("%v, changes %v, %d events; want nothing of a rolled back transaction", err, s.unapplied,
			s.rejectedEvents(t))
	}
	s.wantStock(t, id, 10, 0)
}

// Many buyers reserve few units after the gate was lost. The ledger alone must prevent overselling, in whatever order
// they name the products.
func TestTheLedgerAloneDoesNotOversell(t *testing.T) {
	s := open(t)
	a, b := s.offer(t, 20), s.offer(t, 20)
	var wg sync.WaitGroup
	for i := range 80 {
		lines := []inventory.Line{line(a, 1), line(b, 1)}
		if i%2 == 0 {
			lines[0], lines[1] = lines[1], lines[0]
		}
		for range 2 { // every event twice, concurrently
			wg.Go(func() {
				err := s.concurrent().Reserve(ctx, inventory.Order{ID: fmt.Sprint(1000 + i), Lines: lines})
				if err != nil && s.concurrent().Reserve(ctx, inventory.Order{ID: fmt.Sprint(1000 + i), Lines: lines}) != nil {
					t.Errorf("order %d: %v, and again", i, err)
				}
			})
		}
	}
	wg.Wait()
	s.wantStock(t, a, 20, 20)
	s.wantStock(t, b, 20, 20)
	if n := s.rejectedEvents(t); n != 60 {
		t.Errorf("%d rejections, want 60", n)
	}
}

// concurrent returns a service for concurrent use: it does not append to unapplied.
func (s *fixture) concurrent() *inventory.Service {
	return inventory.NewService(New(s.db, s.store.events, nil), s.gate, func() time.Duration { return ttl }, s.metrics)
}
