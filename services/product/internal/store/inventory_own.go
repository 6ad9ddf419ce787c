package store

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/inventory"
)

// UnpaidUnits implements inventory.Store. Reservations of events that were handled by an earlier version have no
// shopper.
func (s *Store) UnpaidUnits(ctx context.Context, shopperID string, productIDs []string) ([]inventory.UnpaidUnits,
	error) {
	shopper, err := parseID(shopperID)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		OrderID, ProductID, Quantity int64
		DueAt                        *time.Time
	}
	err = postgres.DB(ctx, s.db).Raw(`SELECT order_id, product_id, quantity, due_at FROM reservations
		WHERE user_id = ? AND product_id = ANY(?::bigint[]) AND state = 'reserved' AND from_stock
		ORDER BY order_id, product_id`,
		shopper, idArray(productIDs)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read what a shopper has reserved: %w", err)
	}
	units := make([]inventory.UnpaidUnits, len(rows))
	for i, r := range rows {
		units[i].OwnUnits = inventory.OwnUnits{ProductID: formatID(r.ProductID), OrderID: formatID(r.OrderID),
			Quantity: r.Quantity}
		if r.DueAt != nil {
			units[i].DueAt = r.DueAt.UTC()
		}
	}
	return units, nil
}
