package turns

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// Little work of one owner runs at the same time, and each gets its turn. It delays nobody else.
func TestTheWorkOfAnOwnerTakesTurns(t *testing.T) {
	const maxRunning = 4
	turns := New(maxRunning, 50)
	var running, most, ran atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			done, err := turns.Take(t.Context(), "7")
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
		if _, err := turns.Take(t.Context(), "7"); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.Take(ended, "7"); err == nil {
		t.Error("a request that has ended got a turn")
	}
	done, err := turns.Take(t.Context(), "8")
	if err != nil {
		t.Errorf("another owner: %v", err)
	}
	done()
	if len(turns.running) != 1 {
		t.Errorf("%d owners are remembered, want the one who is running", len(turns.running))
	}
}

// What would wait too long is refused at once. It leaves no trace, and others are not refused.
func TestTooMuchWaitingIsRefused(t *testing.T) {
	turns := New(1, 2)
	first, err := turns.Take(t.Context(), "7")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if done, err := turns.Take(ctx, "7"); err == nil {
				done()
			}
		})
	}
	for users := 0; users < 3; {
		turns.mu.Lock()
		users = turns.running["7"].users
		turns.mu.Unlock()
	}
	if _, err := turns.Take(t.Context(), "7"); !errors.Is(err, ErrFull) {
		t.Errorf("a third one waits: %v", err)
	}
	done, err := turns.Take(t.Context(), "8")
	if err != nil {
		t.Errorf("another owner: %v", err)
	}
	done()
	cancel()
	wg.Wait()
	first()
	if done, err = turns.Take(t.Context(), "7"); err != nil {
		t.Errorf("after all have left: %v", err)
	}
	done()
}
