package store

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/inventory"
)

// UnpaidHolds implements inventory.Store. The open reservations are few, and a partial index finds them; they are
// sorted after that (MATERIALIZED), so that the sort's index does not lead through all reservations.
func (s *Store) UnpaidHolds(ctx context.Context, f inventory.HoldFilter) ([]inventory.OpenHold, error) {
	var rows []struct {
		OrderID, ProductID, Quantity int64
		UserID                       *int64
		CreatedAt                    time.Time
		DueAt                        *time.Time
	}
	err := postgres.DB(ctx, s.db).Raw(`WITH f AS (
			SELECT nullif(?, '')::bigint AS order_id, nullif(?, '')::bigint AS product_id, nullif(?, '')::bigint AS user_id,
				nullif(?, '')::bigint AS after_order, nullif(?, '')::bigint AS after_product
		), unpaid AS MATERIALIZED (
			SELECT r.order_id, r.product_id, r.quantity, r.user_id, r.created_at, r.due_at FROM reservations r, f
			WHERE r.state = 'reserved' AND r.from_stock AND (f.order_id IS NULL OR r.order_id = f.order_id)
				AND (f.product_id IS NULL OR r.product_id = f.product_id) AND (f.user_id IS NULL OR r.user_id = f.user_id)
				AND (f.after_order IS NULL OR (r.order_id, r.product_id) > (f.after_order, f.after_product))
		)
		SELECT * FROM unpaid ORDER BY order_id, product_id LIMIT ?`,
		f.OrderID, f.ProductID, f.ShopperID, f.AfterOrder, f.AfterProduct, f.Limit).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read open reservations: %w", err)
	}
	holds := make([]inventory.OpenHold, len(rows))
	for i, r := range rows {
		holds[i] = inventory.OpenHold{OrderID: formatID(r.OrderID), ProductID: formatID(r.ProductID), Quantity: r.Quantity,
			Unpaid: true, Since: r.CreatedAt.UTC()}
		if r.UserID != nil {
			holds[i].ShopperID = formatID(*r.UserID)
		}
		if r.DueAt != nil {
			holds[i].Until = r.DueAt.UTC()
		}
	}
	return holds, nil
}
