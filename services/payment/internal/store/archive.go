package store

import (
	"context"
	"time"

	"daprmall.dev/services/kit/archive"
)

// billArchive archives bills with their attempts and refunds, once no attempt is under way and no refund is to be
// checked again. The condition is a subquery per bill: with a join, PostgreSQL would read all payments.
var billArchive = archive.Archive{
	Finished: `SELECT order_id FROM bills b WHERE order_id < ? AND status <> 'open' AND NOT (
			SELECT coalesce(bool_or(p.status = 'processing' OR f.look_at < 'infinity' OR f.payment_id IS NOT NULL
			AND f.done_at IS NULL), false)
			FROM payments p LEFT JOIN refunds f ON f.payment_id = p.id WHERE p.order_id = b.order_id)
		ORDER BY order_id LIMIT ?`,
	Tables: []archive.Table{
		{Name: "bills", Where: "order_id = ANY(?::bigint[])"},
		{Name: "payments", Where: "order_id = ANY(?::bigint[])"},
		{Name: "refunds", Where: "payment_id IN (SELECT id FROM all_payments WHERE order_id = ANY(?::bigint[]))"},
	},
}

// Archive moves finished bills older than age out of the live tables.
func (s *Store) Archive(ctx context.Context, age time.Duration) error {
	return billArchive.Run(ctx, s.db, age)
}
