package store

import (
	"context"
	"time"

	"daprmall.dev/services/kit/archive"
)

// orders are archived with all that belongs to them; fences too. An order that awaits payment is never archived,
// however old.
var orderArchive = archive.Archive{
	Finished: `SELECT order_id FROM order_ids WHERE order_id < ?
			AND (SELECT status FROM orders WHERE id = order_id) IS DISTINCT FROM 'awaiting_payment'
		ORDER BY order_id LIMIT ?`,
	Tables: []archive.Table{
		{Name: "order_ids", Where: "order_id = ANY(?::bigint[])"},
		{Name: "orders", Where: "id = ANY(?::bigint[])"},
		{Name: "order_lines", Where: "order_id = ANY(?::bigint[])"},
		{Name: "order_history", Where: "order_id = ANY(?::bigint[])"},
		{Name: "order_refunds", Where: "order_id = ANY(?::bigint[])"},
	},
}

// Archive moves finished orders older than age out of the live tables.
func (s *Store) Archive(ctx context.Context, age time.Duration) error {
	return orderArchive.Run(ctx, s.db, age)
}
