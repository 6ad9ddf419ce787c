package store

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/order/internal/order"
)

// follow returns the cursor, and with it what was written by transactions from after on. A transaction that is not
// finished when the statement begins is not below the next cursor, so its entries come with the next answer, whenever
// it commits. The upper bound leaves out what a database that was restored elsewhere remembers of its first life.
const follow = `WITH seen AS MATERIALIZED (SELECT pg_current_snapshot() AS s)
	SELECT pg_snapshot_xmin(s)::text AS next, ?::xid8 > pg_snapshot_xmax(s) AS ahead,
		order_id, position, status, reason, at
	FROM seen LEFT JOIN LATERAL (
		SELECT * FROM order_history
		WHERE written_by >= ?::xid8 AND written_by < pg_snapshot_xmax(s) AND position > 0
		LIMIT ?
	) h ON true
	ORDER BY order_id, position`

type followRow struct {
	Next     string
	Ahead    bool
	OrderID  *string
	Position int
	Status   string
	Reason   string
	At       time.Time
}

// Changes implements order.Store.
func (s *Store) Changes(ctx context.Context, after string, limit int) (order.Changes, error) {
	var rows []followRow
	err := postgres.DB(ctx, s.db).Raw(follow, after, after, limit+1).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return order.Changes{}, fmt.Errorf("read changes after %s: %w", after, err)
	}
	changes := order.Changes{Next: rows[0].Next, Lost: rows[0].Ahead || len(rows) > limit}
	if changes.Lost {
		return changes, nil
	}
	for _, r := range rows {
		if r.OrderID != nil {
			changes.Items = append(changes.Items, order.Change{OrderID: order.ID(*r.OrderID), Position: r.Position,
				HistoryEntry: order.HistoryEntry{Status: order.Status(r.Status), Reason: order.Reason(r.Reason), At: r.At.UTC()}})
		}
	}
	return changes, nil
}

// Cursor implements order.Store.
func (s *Store) Cursor(ctx context.Context) (string, error) {
	var cursor string
	err := postgres.DB(ctx, s.db).Raw("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").Scan(&cursor).Error
	if err != nil {
		return "", fmt.Errorf("read cursor: %w", err)
	}
	return cursor, nil
}
