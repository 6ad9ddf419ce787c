package store

import (
	"context"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/order/internal/order"
)

// idsOfSold are the orders with lines of a seller that have been paid. The conditions on the order are a subquery: with
// a join, PostgreSQL might begin with all paid orders.
const idsOfSold = `SELECT DISTINCT order_id FROM all_order_lines WHERE seller_id = ? AND order_id < ?
	AND (SELECT payment_id <> '' AND status = coalesce(nullif(?, ''), status) FROM all_orders WHERE id = order_id)
	ORDER BY order_id DESC LIMIT ?`

// ListSold implements order.Store.
func (s *Store) ListSold(ctx context.Context, sellerID string, status order.Status, before order.ID,
	limit int) ([]*order.Order, error) {
	if before == "" {
		before = lastID
	}
	db := postgres.DB(ctx, s.db)
	var ids []string
	err := db.Raw(idsOfSold, sellerID, string(before), string(status), limit).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return readOrders(db, db.Table("all_orders").Where("id = ANY(?::bigint[])", postgres.Array(ids)).Order("id DESC"))
}

// lastID is greater than the id of any order.
const lastID order.ID = "9223372036854775807"
