package store

import (
	"context"
	"fmt"
	"strings"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/inventory"
)

// StockSnapshot implements inventory.Store. One statement has one snapshot.
func (s *Store) StockSnapshot(
	ctx context.Context, productIDs, holdIDs []string,
) ([]inventory.Stock, map[string]bool, error) {
	var orders, adjustments []string
	for _, id := range holdIDs {
		if adj, ok := strings.CutPrefix(id, inventory.AdjustmentPrefix); ok {
			adjustments = append(adjustments, adj)
		} else {
			orders = append(orders, id)
		}
	}
	var rows []struct {
		Kind         string
		ProductID    int64 // of a stock; otherwise the id of the order or adjustment
		OnHand       int64
		Reserved     int64
		StockVersion int64
		Untracked    bool
	}
	err := postgres.DB(ctx, s.db).
		Raw(`SELECT 'stock' AS kind, product_id, on_hand, reserved, stock_version, NOT tracked AS untracked FROM stock
			WHERE product_id = ANY(?::bigint[])
		UNION ALL SELECT DISTINCT 'order', order_id, 0, 0, 0, false FROM all_reservations WHERE order_id = ANY(?::bigint[])
		UNION ALL SELECT 'order', order_id, 0, 0, 0, false FROM all_rejections WHERE order_id = ANY(?::bigint[])
		UNION ALL SELECT 'adjustment', id, 0, 0, 0, false FROM all_adjustments WHERE id = ANY(?::bigint[])`,
			idArray(productIDs), idArray(orders), idArray(orders), idArray(adjustments)).
		Scan(&rows).
		Error
	if err != nil {
		return nil, nil, fmt.Errorf("read stock and recorded holds: %w", err)
	}
	var stock []inventory.Stock
	recorded := map[string]bool{}
	for _, r := range rows {
		switch r.Kind {
		case "stock":
			stock = append(
				stock,
				inventory.Stock{ProductID: formatID(r.ProductID), OnHand: r.OnHand, Reserved: r.Reserved,
					Version: r.StockVersion, Untracked: r.Untracked},
			)
		case "order":
			recorded[formatID(r.ProductID)] = true
		case "adjustment":
			recorded[inventory.AdjustmentPrefix+formatID(r.ProductID)] = true
		}
	}
	return stock, recorded, nil
}

// StockIDs pages through all products in id order.
func (s *Store) StockIDs(ctx context.Context, after string, limit int) ([]string, error) {
	from := int64(0)
	if after != "" {
		n, err := parseID(after)
		if err != nil {
			return nil, err
		}
		from = n
	}
	var ids []string
	err := postgres.DB(ctx, s.db).
		Raw("SELECT product_id::text FROM stock WHERE product_id > ? ORDER BY stock.product_id LIMIT ?", from, limit).
		Scan(&ids).
		Error
	if err != nil {
		return nil, fmt.Errorf("read products with stock: %w", err)
	}
	return ids, nil
}
