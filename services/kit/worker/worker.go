// Package worker is the loop of all background work.
package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Loop calls Work until its context ends, after a pause or when it is woken. Any number of replicas run it, so Work
// must tolerate that another one does the same.
type Loop struct {
	Name string // names the loop in the log
	Log  *slog.Logger
	Work func(ctx context.Context) error

	Every  func() time.Duration // the pause before the next call; nil: only Wake
	AtOnce bool                 // the first call comes without a pause
	Wake   <-chan struct{}      // ends the pause
	Retry  time.Duration        // the pause after a failure, which Wake does not end; 0: the usual pause
}

// Run runs the loop until ctx ends. A failure or panic of Work is logged when it begins or changes, not every time, and
// once more when it is over.
func (l Loop) Run(ctx context.Context) {
	failure := ""
	for first := true; ; first = false {
		if !(first && l.AtOnce) && !l.pause(ctx, failure != "") {
			return
		}
		err := l.call(ctx)
		if ctx.Err() != nil {
			return
		}
		failure = l.report(ctx, failure, err)
	}
}

// Run runs loops beside each other until ctx ends.
func Run(ctx context.Context, loops ...Loop) {
	var all sync.WaitGroup
	for _, l := range loops {
		all.Go(func() { l.Run(ctx) })
	}
	all.Wait()
}

// pause waits for the next call. It is false when ctx has ended.
func (l Loop) pause(ctx context.Context, failed bool) bool {
	wake := l.Wake
	var end <-chan time.Time
	switch {
	case failed && l.Retry > 0:
		wake, end = nil, time.After(l.Retry)
	case l.Every != nil:
		end = time.After(l.Every())
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-end:
	}
	return ctx.Err() == nil
}

func (l Loop) call(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.Work(ctx)
}

// report logs what has changed since the last call, and returns the failure that was logged, "" for none.
func (l Loop) report(ctx context.Context, before string, err error) string {
	now := ""
	if err != nil {
		now = err.Error()
	}
	switch {
	case now == before:
	case err != nil:
		l.Log.ErrorContext(ctx, "worker failed, trying again", "worker", l.Name, "error", err)
	default:
		l.Log.InfoContext(ctx, "worker works again", "worker", l.Name)
	}
	return now
}

// Pause is an Every of constant length.
func Pause(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// PauseWithJitter is an Every of least plus a random part of more, so that replicas do not all work at the same moment.
func PauseWithJitter(least, more time.Duration) func() time.Duration {
	return func() time.Duration { return least + rand.N(more) }
}

// Drain makes a Work of a step that reports whether there is more to do: it repeats the step until there is not, or it
// fails.
func Drain(step func(ctx context.Context) (more bool, err error)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		for {
			if more, err := step(ctx); err != nil || !more || ctx.Err() != nil {
				return err
			}
		}
	}
}
