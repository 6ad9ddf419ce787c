package inventorytest

import (
	"context"
	"sync"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Orders is an order service with some orders. It records which ids it was asked about: those are fenced.
type Orders struct {
	mu    sync.Mutex
	Known map[string]bool
	Asked []string
	Err   error
	// Cancelled is the effect id of the request that cancelled an order.
	Cancelled map[string]string
}

// Cancel is inventory.Orders.
func (o *Orders) Cancel(_ context.Context, id, effectID string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if by, done := o.Cancelled[id]; done && by != effectID {
		return problem.New(problem.Conflict, "order_not_cancellable", "The order is cancelled.")
	}
	if o.Cancelled == nil {
		o.Cancelled = map[string]string{}
	}
	o.Cancelled[id] = effectID
	return nil
}

// Fence is inventory.Orders.
func (o *Orders) Fence(_ context.Context, id string) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Err != nil {
		return false, o.Err
	}
	o.Asked = append(o.Asked, id)
	return o.Known[id], nil
}

// Feed is a feed of orders that was read to its end at a time.
type Feed struct {
	mu sync.Mutex
	At time.Time
}

// Read moves the time.
func (f *Feed) Read(at time.Time) { f.mu.Lock(); f.At = at; f.mu.Unlock() }

// ReadAt is inventory.Feed.
func (f *Feed) ReadAt(context.Context) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.At, nil
}

// Metrics counts.
type Metrics struct {
	mu                          sync.Mutex
	Misses, Rejections, Repairs int
	Restored, Capped            int
	Expired                     map[string]int
}

// GateMisses is inventory.Metrics.
func (m *Metrics) GateMisses(n int) { m.mu.Lock(); m.Misses += n; m.mu.Unlock() }

// Rejected is inventory.Metrics.
func (m *Metrics) Rejected() { m.mu.Lock(); m.Rejections++; m.mu.Unlock() }

// Corrected is inventory.Metrics.
func (m *Metrics) Corrected(n int) { m.mu.Lock(); m.Repairs += n; m.mu.Unlock() }

// RefusedByCap is inventory.Metrics.
func (m *Metrics) RefusedByCap() { m.mu.Lock(); m.Capped++; m.mu.Unlock() }

// LedgerRestored is inventory.Metrics.
func (m *Metrics) LedgerRestored() { m.mu.Lock(); m.Restored++; m.mu.Unlock() }

// HoldExpired is inventory.Metrics.
func (m *Metrics) HoldExpired(outcome string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Expired == nil {
		m.Expired = map[string]int{}
	}
	m.Expired[outcome]++
}
