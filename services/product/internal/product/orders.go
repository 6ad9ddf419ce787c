package product

import "context"

// Ledger turns the events of orders into stock, each exactly once. Orders of one
// call are booked together or not at all.
type Ledger struct {
	store   Store
	metrics Metrics
}

// NewLedger makes the handlers of order events.
func NewLedger(store Store, meter Metrics) *Ledger { return &Ledger{store: store, metrics: meter} }

// Lock locks the stock of products in one order, in the transaction of ctx. Whoever books events of several types in one transaction
// does it first, for all of them: two that book type by type would wait for each other in a circle.
func (l *Ledger) Lock(ctx context.Context, productIDs ...string) error {
	return l.store.Lock(ctx, productIDs...)
}

// Placed reserves all lines of each order, or rejects the order.
func (l *Ledger) Placed(ctx context.Context, orders ...Order) error {
	return l.book(ctx, orders, (*OrderStock).Place)
}

// Paid deducts what the orders reserved.
func (l *Ledger) Paid(ctx context.Context, orders ...Order) error {
	return l.book(ctx, orders, (*OrderStock).Pay)
}

// Cancelled gives back what the orders reserved.
func (l *Ledger) Cancelled(ctx context.Context, orders ...Order) error {
	return l.book(ctx, orders, (*OrderStock).Cancel)
}

func (l *Ledger) book(ctx context.Context, orders []Order, f func(*OrderStock, []Line) error) error {
	rejections, err := l.store.Book(ctx, orders, f)
	if err != nil {
		return err
	}
	for range rejections {
		l.metrics.Rejected()
	}
	return nil
}
