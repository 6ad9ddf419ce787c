package inventory

import (
	"context"
	"time"
)

// RecordedOrder is what the ledger has recorded of an order.
type RecordedOrder struct {
	Lines      []RecordedLine
	RejectedAt time.Time // when its stock was not there; zero if it was
}

// RecordedLine is a reservation with its times.
type RecordedLine struct {
	Reservation
	CreatedAt time.Time
	UpdatedAt time.Time
}

// StockOfOrder returns what the ledger has recorded of an order; nothing if its event has not arrived.
func (o *Operator) StockOfOrder(ctx context.Context, orderID string) (RecordedOrder, error) {
	return o.store.StockOfOrder(ctx, orderID)
}
