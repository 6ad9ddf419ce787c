package store

import (
	"context"
	"errors"
	"time"

	"daprmall.dev/services/kit/archive"
)

var (
	// Reservations and rejections by order id, and adjustments by their own: what StockSnapshot returns as recorded.
	recordedArchive = archive.Archive{
		Finished: `WITH given (before, most) AS (VALUES (?::bigint, ?::bigint))
			SELECT id FROM (
				(SELECT order_id AS id FROM reservations WHERE order_id < (SELECT before FROM given)
					GROUP BY order_id HAVING bool_and(state <> 'reserved') ORDER BY order_id LIMIT (SELECT most FROM given))
				UNION (SELECT order_id FROM rejections WHERE order_id < (SELECT before FROM given)
					ORDER BY order_id LIMIT (SELECT most FROM given))
				UNION (SELECT id FROM adjustments WHERE id < (SELECT before FROM given) ORDER BY id LIMIT (SELECT most FROM given))
			) old ORDER BY id LIMIT (SELECT most FROM given)`,
		Tables: []archive.Table{
			{Name: "reservations", Where: "order_id = ANY(?::bigint[])"},
			{Name: "rejections", Where: "order_id = ANY(?::bigint[])"},
			{Name: "adjustments", Where: "id = ANY(?::bigint[])"},
		},
	}
	// A new entry is made from the stock's row alone, so earlier entries need not be live.
	ledgerArchive = archive.Log{Name: "stock_ledger", At: "at"}
)

// Archive moves what is finished and older than age out of the live tables.
func (s *Store) Archive(ctx context.Context, age time.Duration) error {
	return errors.Join(recordedArchive.Run(ctx, s.db, age), ledgerArchive.Run(ctx, s.db, age))
}
