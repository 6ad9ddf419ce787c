package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// recorder runs batches that double their calls, each when release says so.
type recorder struct {
	mu      sync.Mutex
	batches [][]int
	release chan struct{}
}

func (r *recorder) run(all []int) []Result[int] {
	r.mu.Lock()
	r.batches = append(r.batches, slices.Sorted(slices.Values(all)))
	r.mu.Unlock()
	<-r.release
	out := make([]Result[int], len(all))
	for i, n := range all {
		out[i].Value = 2 * n
		if n < 0 {
			out[i].Err = fmt.Errorf("%d is bad", n)
		}
	}
	return out
}

// begun are the batches that have begun so far.
func (r *recorder) begun() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.batches)
}

func newGroup(most int, patience time.Duration) (*Group[int, int], *recorder) {
	r := &recorder{release: make(chan struct{})}
	return New(most, patience, r.run), r
}

func do(t *testing.T, g *Group[int, int], wg *sync.WaitGroup, n int) {
	t.Helper()
	wg.Go(func() {
		got, err := g.Do(t.Context(), n)
		if (err != nil) != (n < 0) || got != 2*n {
			t.Errorf("%d: %d, %v", n, got, err)
		}
	})
	synctest.Wait()
}

// A lone call starts at once; those that come meanwhile share the next batch, and one bad call fails alone.
func TestCallsThatWaitShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGroup(10, time.Minute)
		var wg sync.WaitGroup
		for _, n := range []int{1, 2, -3, 4} {
			do(t, g, &wg, n)
		}
		close(r.release)
		wg.Wait()
		if got := r.begun(); got != "[[1] [-3 2 4]]" {
			t.Errorf("batches %s", got)
		}
		synctest.Wait()
		if g.workers != 0 || g.waiting != nil || g.relief != nil {
			t.Errorf("after the last call %d workers and %d calls are left", g.workers, len(g.waiting))
		}
	})
}

func TestABatchHasABoundedSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGroup(2, time.Minute)
		var wg sync.WaitGroup
		for n := range 4 {
			do(t, g, &wg, n)
		}
		if got := r.begun(); got != "[[0] [1 2]]" {
			t.Errorf("batches %s: a full one starts at once", got)
		}
		close(r.release)
		wg.Wait()
		if got := r.begun(); got != "[[0] [1 2] [3]]" {
			t.Errorf("then %s", got)
		}
	})
}

// A slow batch does not hold up the others for longer than the patience.
func TestASlowBatchIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGroup(10, time.Second)
		var wg sync.WaitGroup
		do(t, g, &wg, 1)
		do(t, g, &wg, 2)
		time.Sleep(time.Second / 2)
		do(t, g, &wg, 3)
		if got := r.begun(); got != "[[1]]" {
			t.Errorf("batches %s: too early", got)
		}
		time.Sleep(time.Second / 2)
		synctest.Wait()
		if got := r.begun(); got != "[[1] [2 3]]" {
			t.Errorf("batches %s after the patience", got)
		}
		do(t, g, &wg, 4)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.begun(); got != "[[1] [2 3] [4]]" {
			t.Errorf("batches %s after the second one", got)
		}
		time.Sleep(time.Second)
		do(t, g, &wg, 5)
		if got := r.begun(); got != "[[1] [2 3] [4] [5]]" {
			t.Errorf("batches %s: a call waits for batches that are all overdue", got)
		}
		close(r.release)
		wg.Wait()
		synctest.Wait()
		if g.workers != 0 || g.waiting != nil || g.relief != nil {
			t.Errorf("after the last call %d workers and %d calls are left", g.workers, len(g.waiting))
		}
	})
}

func TestACallThatIsGivenUpIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGroup(10, time.Minute)
		var wg sync.WaitGroup
		do(t, g, &wg, 1)
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := g.Do(ctx, 2); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
		do(t, g, &wg, 3)
		cancel()
		synctest.Wait()
		close(r.release)
		wg.Wait()
		if got := r.begun(); got != "[[1] [3]]" {
			t.Errorf("batches %s", got)
		}
	})
}

func TestABatchThatPanicsFailsItsCalls(t *testing.T) {
	g := New(10, time.Minute, func(all []int) []Result[int] {
		if all[0] == 1 {
			panic("broken")
		}
		return nil
	})
	for n, want := range map[int]string{1: "panic in a batch: broken", 2: "too few results"} {
		if _, err := g.Do(t.Context(), n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v, want %q", n, err, want)
		}
	}
}

// Many callers at once: each gets its own result, and none is lost.
func TestEveryCallGetsItsResult(t *testing.T) {
	var ran atomic.Int64
	g := New(7, time.Millisecond, func(all []int) []Result[int] {
		ran.Add(int64(len(all)))
		out := make([]Result[int], len(all))
		for i, n := range all {
			out[i].Value = -n
		}
		return out
	})
	var wg sync.WaitGroup
	for from := range 50 {
		wg.Go(func() {
			for n := range 200 {
				if got, err := g.Do(t.Context(), from*1000+n); err != nil || got != -(from*1000+n) {
					t.Errorf("%d, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if ran.Load() != 10_000 {
		t.Errorf("%d calls ran, want 10000", ran.Load())
	}
}

// Results are handed out as they come, and the next batch begins when run returns, before the last result.
func TestResultsAreHandedOutOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		begin, last := make(chan struct{}), make(chan struct{})
		g := NewStream(10, time.Minute, func(all []int, done func(int, Result[string])) {
			batches = append(batches, slices.Clone(all))
			<-begin
			done(len(all)-1, Result[string]{Value: "first"})
			go func() {
				<-last
				for i := range len(all) - 1 {
					done(i, Result[string]{Value: "later"})
				}
			}()
		})
		var mu sync.Mutex
		got := map[int]string{}
		results := func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprint(got)
		}
		for n := range 4 {
			go func() {
				v, _ := g.Do(t.Context(), n)
				mu.Lock()
				defer mu.Unlock()
				got[n] = v
			}()
			synctest.Wait()
		}
		close(begin)
		if r := results(); r != "map[0:first 3:first]" || fmt.Sprint(batches) != "[[0] [1 2 3]]" || g.workers != 0 {
			t.Errorf("results %s of batches %v, %d workers", r, batches, g.workers)
		}
		close(last)
		if r := results(); r != "map[0:first 1:later 2:later 3:first]" {
			t.Errorf("results %s", r)
		}
	})
}
