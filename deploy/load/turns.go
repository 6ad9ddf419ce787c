package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// turns spreads the requests of all shoppers evenly over the time.
type turns struct {
	began time.Time
	gap   time.Duration // 0: everybody goes at once
	taken atomic.Int64
}

func newTurns(began time.Time, perSecond int) *turns {
	t := &turns{began: began}
	if perSecond > 0 {
		t.gap = time.Second / time.Duration(perSecond)
	}
	return t
}

var errOver = errors.New("the time is up")

// wait returns when it is the caller's turn, with the moment from which its latency counts: a request that had to wait
// for a free shopper waited in its latency, too.
func (t *turns) wait(ctx context.Context, end time.Time) (time.Time, error) {
	if t.gap == 0 {
		return time.Now(), nil
	}
	at := t.began.Add(time.Duration(t.taken.Add(1)-1) * t.gap)
	if !at.Before(end) {
		return at, errOver
	}
	return at, wait(ctx, time.Until(at))
}
