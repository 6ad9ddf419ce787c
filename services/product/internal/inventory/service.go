// Package inventory is the domain of stock: the ledger, which is authoritative, and the stock gate in Redis in front of
// it. Of a product it knows only the id.
package inventory

import (
	"context"
	"time"
)

// Service has the use cases of stock: holds of checkouts, manual adjustments, and the events of orders. The Reconciler
// and GateSync work in the background.
type Service struct {
	store    Store
	gate     Gate
	rebuilds rebuilds
	holdTTL  func() time.Duration
	metrics  Metrics
}

// NewService makes the use cases of stock; ttl is how long a hold lives without an order.
func NewService(store Store, gate Gate, ttl func() time.Duration, metrics Metrics) *Service {
	return &Service{store: store, gate: gate, holdTTL: ttl, metrics: metrics, rebuilds: newRebuilds(store, gate, metrics)}
}

// Ledger returns the entries of a product's ledger, newest first, those before a version of the stock (0 for all).
func (s *Service) Ledger(ctx context.Context, productID string, before int64, limit int) ([]Entry, error) {
	return s.store.Ledger(ctx, productID, before, limit)
}

// Lock locks the stock of products in the order of their ids, in the transaction of ctx. A transaction with events of
// several types must call it first, for all of them: two transactions that lock type by type could deadlock.
func (s *Service) Lock(ctx context.Context, productIDs ...string) error {
	return s.store.Lock(ctx, productIDs...)
}

// The three events of an order. Each takes effect once, and orders of one call are recorded together or not at all.

// Reserve reserves all lines of each order that was placed, or rejects the order.
func (s *Service) Reserve(ctx context.Context, orders ...Order) error {
	return s.recordEvents(ctx, orders, (*OrderStock).Place)
}

// Deduct deducts what the orders reserved: they are paid.
func (s *Service) Deduct(ctx context.Context, orders ...Order) error {
	return s.recordEvents(ctx, orders, (*OrderStock).Pay)
}

// Release releases what the orders reserved: they are cancelled.
func (s *Service) Release(ctx context.Context, orders ...Order) error {
	return s.recordEvents(ctx, orders, (*OrderStock).Cancel)
}

func (s *Service) recordEvents(ctx context.Context, orders []Order, decide func(*OrderStock, []Line) error) error {
	rejections, err := s.store.RecordOrders(ctx, orders, decide)
	if err != nil {
		return err
	}
	for range rejections {
		s.metrics.Rejected()
	}
	return nil
}
