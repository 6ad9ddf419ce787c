package store

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/inventory"
)

// StockOfOrder implements inventory.Store.
func (s *Store) StockOfOrder(ctx context.Context, orderID string) (inventory.RecordedOrder, error) {
	var rows []struct {
		ProductID, Quantity  int64
		State                inventory.State
		Untracked            bool
		CreatedAt, UpdatedAt time.Time
	}
	db := postgres.DB(ctx, s.db)
	// A rejection is returned as a row without a product.
	err := db.Raw(`SELECT product_id, quantity, state, NOT from_stock AS untracked, created_at, updated_at
		FROM all_reservations WHERE order_id = ?::bigint
		UNION ALL SELECT 0, 0, 'rejected', false, rejected_at, rejected_at FROM all_rejections WHERE order_id = ?::bigint
		ORDER BY product_id`, orderID, orderID).Scan(&rows).Error
	if err != nil {
		return inventory.RecordedOrder{}, fmt.Errorf("read stock of order %s: %w", orderID, err)
	}
	var found inventory.RecordedOrder
	for _, r := range rows {
		if r.ProductID == 0 {
			found.RejectedAt = r.CreatedAt.UTC()
			continue
		}
		found.Lines = append(found.Lines, inventory.RecordedLine{
			Reservation: inventory.Reservation{OrderID: orderID, ProductID: formatID(r.ProductID), Quantity: r.Quantity,
				State: r.State, Untracked: r.Untracked},
			CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC()})
	}
	return found, nil
}
