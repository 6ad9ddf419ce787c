// Package batch lets calls that wait at the same time share the work of one.
package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// yields is how often a batch lets other goroutines run before it begins, as long as more calls join it.
const yields = 8

// Result is what became of one call.
type Result[Out any] struct {
	Value Out
	Err   error
}

// Group collects calls into batches. A call that finds no batch running starts one at once, so that a lone caller never
// waits. Calls that arrive meanwhile wait until it ends, and share the next one.
type Group[In, Out any] struct {
	most     int
	patience time.Duration
	run      func(all []In, done func(i int, r Result[Out]))

	mu      sync.Mutex
	waiting []*call[In, Out]
	workers int
	began   time.Time   // the last batch; if that is overdue, all are
	relief  *time.Timer // runs while calls wait: a lone call needs none
}

type call[In, Out any] struct {
	ctx  context.Context //nolint:containedctx // a call that was given up is not run
	in   In
	done chan Result[Out]
}

// New makes a group. run does the work of up to most calls, and returns as many results in the same order. A batch that
// takes longer than patience is overdue: those who wait start another one beside it, and later calls start at once.
func New[In, Out any](most int, patience time.Duration, run func(all []In) []Result[Out]) *Group[In, Out] {
	return NewStream(most, patience, func(all []In, done func(i int, r Result[Out])) {
		results := run(all)
		for i := range all {
			if i < len(results) {
				done(i, results[i])
			} else {
				done(i, Result[Out]{Err: errShort})
			}
		}
	})
}

// NewStream makes a group whose calls end one by one: run says by done, once each, what became of them, in any order.
// The next batch begins when run returns. If it returns before the last call is done, it must keep a goroutine that
// will say so.
func NewStream[In, Out any](most int, patience time.Duration, run func(all []In, done func(i int,
	r Result[Out]))) *Group[In, Out] {
	return &Group[In, Out]{most: most, patience: patience, run: run}
}

// Do runs in as a part of a batch and returns its result. If ctx ends first Do returns its error: the call is not run
// if its batch has not begun; otherwise its outcome is unknown.
func (g *Group[In, Out]) Do(ctx context.Context, in In) (Out, error) {
	c := &call[In, Out]{ctx: ctx, in: in, done: make(chan Result[Out], 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	if g.workers == 0 || len(g.waiting) >= g.most || time.Since(g.began) >= g.patience {
		g.startWorker()
	} else if g.relief == nil {
		g.relief = time.AfterFunc(g.patience-time.Since(g.began), g.relieve)
	}
	g.mu.Unlock()
	select {
	case r := <-c.done:
		return r.Value, r.Err
	case <-ctx.Done():
		var none Out
		return none, ctx.Err()
	}
}

// relieve starts another batch for those that wait for one that is overdue.
func (g *Group[In, Out]) relieve() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.relief = nil
	if len(g.waiting) > 0 {
		g.startWorker()
	}
}

// startWorker needs the lock.
func (g *Group[In, Out]) startWorker() {
	g.workers++
	g.began = time.Now()
	go g.work()
}

// work runs batches until nobody waits.
func (g *Group[In, Out]) work() {
	for {
		calls := g.take()
		if calls == nil {
			return
		}
		ins := make([]In, len(calls))
		for i, c := range calls {
			ins[i] = c.in
		}
		g.runAll(ins, func(i int, r Result[Out]) {
			select {
			case calls[i].done <- r:
			default: // it has a result
			}
		})
	}
}

// take returns the calls of the next batch, nil if there are none; then the worker has ended.
func (g *Group[In, Out]) take() []*call[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	for try, joined := 0, -1; try < yields && joined < len(g.waiting) && len(g.waiting) < g.most; try++ {
		joined = len(g.waiting)
		g.mu.Unlock()
		runtime.Gosched() // whoever is about to call joins now
		g.mu.Lock()
	}
	var calls []*call[In, Out]
	for len(g.waiting) > 0 && len(calls) < g.most {
		if c := g.waiting[0]; c.ctx.Err() == nil {
			calls = append(calls, c)
		}
		g.waiting = g.waiting[1:]
	}
	g.began = time.Now()
	if g.relief != nil {
		g.relief.Stop()
		g.relief = nil
	}
	switch {
	case len(calls) == 0:
		g.workers--
		g.waiting = nil
	case len(g.waiting) > 0:
		g.relief = time.AfterFunc(g.patience, g.relieve)
	}
	return calls
}

var errShort = errors.New("a batch returned too few results")

// runAll makes a panic the error of every call that has no result: its goroutine would wait for ever.
func (g *Group[In, Out]) runAll(ins []In, done func(i int, r Result[Out])) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("panic in a batch", "panic", p, "stack", string(debug.Stack()))
			for i := range ins {
				done(i, Result[Out]{Err: fmt.Errorf("panic in a batch: %v", p)})
			}
		}
	}()
	g.run(ins, done)
}
