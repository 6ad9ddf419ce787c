package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/running"
)

const (
	streamsOf   = 10 // as many as the gateway lets one shopper have
	mostStreams = streamsOf * mostShoppers
	undisturbed = 10 * time.Second
)

// streams opens n streams of orders and says what they cost while nothing happens. Then the orders are paid, and it
// says how long it took from the commit of a status to its arrival.
func (l *load) streams(ctx context.Context, m running.Mall, n int, say func(string, ...any)) error {
	if err := l.each(ctx, 16, func(ctx context.Context, _ int, s *shopper) error { return l.order(ctx, s) }); err != nil {
		return err
	}
	if _, _, err := l.drain.Wait(ctx, drainFor); err != nil {
		return err
	}
	idle, err := l.costOf(ctx, undisturbed)
	if err != nil {
		return err
	}
	before := holding(ctx, m, l.pids)
	f := &followers{opened: make(chan struct{}, n), late: make(chan time.Duration, n), failed: make(chan error, n)}
	ctx, end := context.WithCancel(ctx)
	defer f.open.Wait()
	defer end()
	for i := range n {
		s := l.shoppers[i%len(l.shoppers)]
		f.open.Go(func() { f.follow(ctx, s.c, s.unpaid[0]) })
	}
	if err := each(n, f.opened, f.failed, func(struct{}) {}); err != nil {
		return fmt.Errorf("open %d streams: %w", n, err)
	}
	watched, err := l.costOf(ctx, undisturbed)
	if err != nil {
		return err
	}
	after := holding(ctx, m, l.pids)
	say("  %d streams of %d orders: %.0f core-ms a second more, %.0f MB more", n, len(l.shoppers), watched-idle,
		(sum(after).memory-sum(before).memory)/mega)
	for _, name := range []string{"api-gateway", "api-gateway-daprd", "order", "order-daprd"} {
		say("  %-18s %4.0f → %4.0f MB", name, before[name].memory/mega, after[name].memory/mega)
	}
	err = l.each(ctx, 4, func(ctx context.Context, _ int, s *shopper) error {
		a, want, err := pay(ctx, l, s)
		if err == nil && a.Status != want {
			err = fmt.Errorf("pay: %s", a)
		}
		return err
	})
	if err != nil {
		return err
	}
	var late []time.Duration
	if err := each(n, f.late, f.failed, func(d time.Duration) { late = append(late, d) }); err != nil {
		return fmt.Errorf("after %d of %d streams: %w", len(late), n, err)
	}
	slices.Sort(late)
	say("  from the commit of paid to its arrival: p50 %.0f ms, p99 %.0f ms, slowest %.0f ms", quantile(late, 0.5),
		quantile(late, 0.99), quantile(late, 1))
	return nil
}

// costOf returns the core-milliseconds that the mall takes a second.
func (l *load) costOf(ctx context.Context, during time.Duration) (float64, error) {
	before, began := used(l.pids), time.Now()
	err := wait(ctx, during)
	return used(l.pids).minus(before).mall() / time.Since(began).Seconds(), err
}

// followers are open pages of orders.
type followers struct {
	open   sync.WaitGroup
	opened chan struct{}
	late   chan time.Duration
	failed chan error
}

// follow is one page: it ends when its order is paid.
func (f *followers) follow(ctx context.Context, c *apiclient.Client, order string) {
	first := true
	err := c.Events(ctx, "/v1/orders/"+order+"/events", "", func(e apiclient.Event) error {
		var entry struct {
			Status string
			At     time.Time
		}
		if err := json.Unmarshal([]byte(e.Data), &entry); err != nil {
			return err
		}
		if first {
			first = false
			f.opened <- struct{}{}
		}
		if entry.Status != "awaiting_payment" {
			f.late <- time.Since(entry.At)
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) && ctx.Err() == nil {
		f.failed <- fmt.Errorf("the stream of order %s ended: %w", order, err)
	}
}

var errSeen = errors.New("the last status was seen")

// each waits for n values, or for a stream that failed.
func each[T any](n int, values <-chan T, failed <-chan error, take func(T)) error {
	over := time.After(2 * time.Minute)
	for range n {
		select {
		case v := <-values:
			take(v)
		case err := <-failed:
			return err
		case <-over:
			return errors.New("not within two minutes")
		}
	}
	return nil
}
