package inventory

import (
	"context"
	"time"

	"daprmall.dev/services/kit/problem"
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

// StockOfOrder returns what the ledger has recorded of an order; NotFound if that is nothing: its event has not
// arrived, or there is no such order.
func (o *Operator) StockOfOrder(ctx context.Context, orderID string) (RecordedOrder, error) {
	found, err := o.store.StockOfOrder(ctx, orderID)
	if err == nil && len(found.Lines) == 0 && found.RejectedAt.IsZero() {
		err = problem.NewNotFound("stock of this order")
	}
	return found, err
}
