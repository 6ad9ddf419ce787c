package checkout

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// Few checkouts of one shopper run at the same time, and each gets its turn. They delay nobody else.
func TestCheckoutsOfAShopperTakeTurns(t *testing.T) {
	var turns turns
	var running, most, ran atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			done, err := turns.take(t.Context(), "7")
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			n := running.Add(1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			ran.Add(1)
			running.Add(-1)
		})
	}
	wg.Wait()
	if ran.Load() != 50 || most.Load() > maxRunning {
		t.Errorf("%d ran, at most %d at once; want 50 and %d", ran.Load(), most.Load(), maxRunning)
	}
	for range maxRunning {
		if _, err := turns.take(t.Context(), "7"); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(ended, "7"); err == nil {
		t.Error("a request that has ended got a turn")
	}
	done, err := turns.take(t.Context(), "8")
	if err != nil {
		t.Errorf("another shopper: %v", err)
	}
	done()
	if len(turns.running) != 1 {
		t.Errorf("%d shoppers are remembered, want the one who is running", len(turns.running))
	}
}
