package product

import "context"

// Ledger turns the events of orders into stock, each exactly once.
type Ledger struct {
	store Store
	meter Meter
}

// NewLedger makes the handlers of order events.
func NewLedger(store Store, meter Meter) *Ledger { return &Ledger{store: store, meter: meter} }

// Placed reserves all lines of an order, or rejects it.
func (l *Ledger) Placed(ctx context.Context, orderID string, lines []Line) error {
	return l.book(ctx, orderID, lines, func(b *Books) error { return b.Place(lines) })
}

// Paid deducts what the order reserved.
func (l *Ledger) Paid(ctx context.Context, orderID string, lines []Line) error {
	return l.book(ctx, orderID, lines, func(b *Books) error { return b.Pay(lines) })
}

// Cancelled gives back what the order reserved.
func (l *Ledger) Cancelled(ctx context.Context, orderID string, lines []Line) error {
	return l.book(ctx, orderID, lines, func(b *Books) error { return b.Cancel(lines) })
}

func (l *Ledger) book(ctx context.Context, orderID string, lines []Line, f func(*Books) error) error {
	changes, err := l.store.Book(ctx, orderID, lines, f)
	if err != nil {
		return err
	}
	if changes.Rejection != nil {
		l.meter.Rejected()
	}
	return nil
}
