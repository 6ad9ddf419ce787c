package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/inventory"
)

// Ledger implements inventory.Store.
func (s *Store) Ledger(ctx context.Context, productID string, before int64, limit int) ([]inventory.Entry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	var rows []struct {
		Stock         stockRow `gorm:"embedded"`
		Kind          inventory.Kind
		OnHandDelta   int64
		ReservedDelta int64
		OrderID       string
		Actor         string
		Reason        string
		At            time.Time
	}
	err := postgres.DB(ctx, s.db).Raw(`SELECT product_id, on_hand, reserved, stock_version, kind, on_hand_delta,
			reserved_delta, coalesce(order_id::text, '') AS order_id, coalesce(actor::text, '') AS actor, reason, at
		FROM all_stock_ledger WHERE product_id = ?::bigint AND stock_version < ? ORDER BY stock_version DESC LIMIT ?`,
		productID, before, limit).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read ledger of product %s: %w", productID, err)
	}
	entries := make([]inventory.Entry, len(rows))
	for i, r := range rows {
		entries[i] = inventory.Entry{Kind: r.Kind, OrderID: r.OrderID, Actor: r.Actor, Reason: r.Reason,
			OnHandDelta: r.OnHandDelta, ReservedDelta: r.ReservedDelta, After: r.Stock.stock(), At: r.At.UTC()}
	}
	return entries, nil
}
