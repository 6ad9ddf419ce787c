package store

import (
	"context"
	"time"

	"daprmall.dev/services/kit/archive"
)

// orders are archived with all that belongs to them; fences too. An order that awaits payment is never archived,
// however old.
var orderArchive = archive.Archive{
	Old: `SELECT order_id FROM order_ids WHERE order_id < ?
			AND (SELECT status FROM orders WHERE id = order_id) IS DISTINCT FROM 'awaiting_payment'
		ORDER BY order_id LIMIT ?`,
	Tables: []archive.Table{
		{Name: "order_ids", Of: "order_id = ANY(?::bigint[])"},
		{Name: "orders", Of: "id = ANY(?::bigint[])"},
		{Name: "order_lines", Of: "order_id = ANY(?::bigint[])"},
		{Name: "order_history", Of: "order_id = ANY(?::bigint[])"},
		{Name: "order_refunds", Of: "order_id = ANY(?::bigint[])"},
	},
}

// Archive moves finished orders older than age out of the live tables.
func (s *Store) Archive(ctx context.Context, age time.Duration) error {
	return orderArchive.Run(ctx, s.db, age)
}
