package worker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daprmall.dev/services/kit/worker"
)

// logs is the log of a loop.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.text.Write(p) }

func (l *logs) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

// start runs a loop until the test ends and returns its log.
func start(t *testing.T, l worker.Loop) (logged *logs) {
	t.Helper()
	logged = new(logs)
	l.Name, l.Log = "test", slog.New(slog.NewTextHandler(logged, nil))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return logged
}

// calls counts calls of Work and makes them fail while err is set.
type calls struct {
	mu  sync.Mutex
	n   int
	err error
}

func (c *calls) work(context.Context) error { c.mu.Lock(); defer c.mu.Unlock(); c.n++; return c.err }

func (c *calls) fail(err error) { c.mu.Lock(); c.err = err; c.mu.Unlock() }

func (c *calls) want(t *testing.T, when string, n int) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n != n {
		t.Errorf("%s: %d calls, want %d", when, c.n, n)
	}
}

func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // the clock of synctest

func TestALoopWorksAfterEachPause(t *testing.T) {
	for name, c := range map[string]struct {
		atOnce bool
		first  int
	}{"after a pause": {false, 0}, "at once": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got calls
				start(t, worker.Loop{Every: worker.Pause(time.Minute), AtOnce: c.atOnce, Work: got.work})
				got.want(t, "at the start", c.first)
				pass(time.Minute)
				got.want(t, "after a minute", c.first+1)
				pass(time.Hour)
				got.want(t, "after an hour more", c.first+61)
			})
		})
	}
}

func TestASpreadPauseVaries(t *testing.T) {
	pause, seen := worker.PauseWithJitter(time.Second, time.Second), map[time.Duration]bool{}
	for range 100 {
		d := pause()
		if seen[d] = true; d < time.Second || d >= 2*time.Second {
			t.Errorf("pause %v is out of range", d)
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d different pauses", len(seen))
	}
}

func TestALoopIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got calls
		wake := make(chan struct{}, 1)
		start(t, worker.Loop{Wake: wake, Retry: time.Second, Work: got.work})
		pass(time.Hour)
		got.want(t, "before it is woken", 0)
		wake <- struct{}{}
		got.want(t, "woken", 1)

		got.fail(errors.New("unreachable"))
		wake <- struct{}{}
		got.want(t, "woken again", 2)
		wake <- struct{}{}
		got.want(t, "woken after a failure", 2)
		pass(time.Second)
		got.want(t, "after its pause", 3)
		got.fail(nil)
		pass(time.Second)
		got.want(t, "after a second pause, and woken meanwhile", 5)
		pass(time.Hour)
		got.want(t, "after a success", 5)
	})
}

func TestAFailureIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := calls{err: errors.New("unreachable")}
		logged := start(t, worker.Loop{Every: worker.Pause(time.Second), Work: got.work})
		lines := func(when string, n int, last string) {
			t.Helper()
			synctest.Wait()
			all := strings.Split(strings.TrimSpace(logged.String()), "\n")
			if len(all) != n || !strings.Contains(all[n-1], last) || !strings.Contains(all[n-1], "worker=test") {
				t.Errorf("%s: logged %q, want %d lines and %q in the last", when, all, n, last)
			}
		}
		pass(10 * time.Second)
		lines("after ten failures", 1, "error=unreachable")
		got.fail(errors.New("refused"))
		pass(10 * time.Second)
		lines("after ten other failures", 2, "error=refused")
		got.fail(nil)
		pass(10 * time.Second)
		lines("after ten successes", 3, "works again")
	})
}

func TestAPanicDoesNotEndALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		logged := start(t, worker.Loop{Every: worker.Pause(time.Second), Work: func(context.Context) error {
			if n.Add(1) == 1 {
				panic("boom")
			}
			return nil
		}})
		pass(2 * time.Second)
		synctest.Wait()
		if n.Load() != 2 || !strings.Contains(logged.String(), "panic: boom") {
			t.Errorf("%d calls, logged %q", n.Load(), logged.String())
		}
	})
}

func TestDrainContinuesWhileThereIsMore(t *testing.T) {
	left, n := 3, 0
	work := worker.Drain(func(context.Context) (bool, error) { n++; left--; return left > 0, nil })
	if err := work(t.Context()); err != nil || n != 3 {
		t.Errorf("%d steps, %v; want 3", n, err)
	}
	unreachable := errors.New("unreachable")
	work = worker.Drain(func(context.Context) (bool, error) { n++; return true, unreachable })
	if err := work(t.Context()); !errors.Is(err, unreachable) || n != 4 {
		t.Errorf("%d steps, %v; want an end at the first failure", n, err)
	}
}

func TestLoopsRunConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		log := slog.New(slog.DiscardHandler)
		blocked, other := make(chan struct{}), calls{}
		done := make(chan struct{})
		go func() {
			worker.Run(ctx,
				worker.Loop{Log: log, AtOnce: true, Work: func(context.Context) error { <-blocked; return nil }},
				worker.Loop{Log: log, Every: worker.Pause(time.Second), Work: other.work})
			close(done)
		}()
		pass(time.Second)
		other.want(t, "while one works", 1)
		stop()
		synctest.Wait()
		select {
		case <-done:
			t.Error("Run returned while one loop was still working")
		default:
		}
		close(blocked)
		<-done
	})
}
