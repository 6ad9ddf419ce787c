package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// reservedFor is a column of products: what unpaid orders of a shopper have reserved, by order id.
const reservedFor = `(SELECT jsonb_object_agg(r.order_id, r.quantity) FROM reservations r
	WHERE r.user_id = ? AND r.product_id = p.id AND r.state = 'reserved' AND r.from_stock) AS reserved_for, `

// ViewsFor implements catalog.Store.
func (s *Store) ViewsFor(ctx context.Context, shopperID string, ids []string) ([]catalog.View, []inventory.OwnUnits,
	error) {
	if shopperID == "" {
		views, err := s.views(ctx, ids)
		return views, nil, err
	}
	shopper, err := parseID(shopperID)
	if err != nil {
		return nil, nil, err
	}
	var rows []struct {
		Row         row `gorm:"embedded"`
		ReservedFor *string
	}
	query := strings.Replace(selectView, "SELECT ", "SELECT "+reservedFor, 1) + "WHERE p.id = ANY(?::bigint[])"
	if err := postgres.DB(ctx, s.db).Raw(query, shopper, idArray(ids)).Scan(&rows).Error; err != nil {
		return nil, nil, fmt.Errorf("read products: %w", err)
	}
	views := make([]catalog.View, len(rows))
	var unpaid []inventory.OwnUnits
	for i, r := range rows {
		views[i] = r.Row.view()
		if r.ReservedFor == nil {
			continue
		}
		byOrder := map[string]int64{}
		if err := json.Unmarshal([]byte(*r.ReservedFor), &byOrder); err != nil {
			return nil, nil, fmt.Errorf("read what a shopper has reserved: %w", err)
		}
		for order, quantity := range byOrder {
			unpaid = append(unpaid, inventory.OwnUnits{ProductID: views[i].ID, OrderID: order, Quantity: quantity})
		}
	}
	return views, unpaid, nil
}

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
