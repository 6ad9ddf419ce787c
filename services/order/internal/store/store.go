// Package store keeps orders in PostgreSQL. A change, its history and its events commit together.
package store

import (
	"context"
	"embed"
	"fmt"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the tables of orders.
var Migrations = postgres.Migrations{Name: "order", FS: files}

// Store implements order.Store with PostgreSQL.
type Store struct {
	db    *gorm.DB
	out   *outbox.Outbox
	clock clock

	placing *batch.Group[newOrder, inserted]
}

// New makes a store.
func New(db *gorm.DB, out *outbox.Outbox) *Store {
	s := &Store{db: db, out: out}
	s.placing = batch.New(mostTogether, patience, s.placeTogether)
	return s
}

// Fence implements order.Store.
func (s *Store) Fence(ctx context.Context, id order.ID) (bool, error) {
	var fenced bool
	err := orderArchive.WithLive(ctx, s.db, []string{string(id)}, func(ctx context.Context) error {
		// The update changes nothing: it makes the statement return the existing row.
		return postgres.DB(ctx, s.db).Raw(`INSERT INTO order_ids (order_id, fenced) VALUES (?, true)
			ON CONFLICT (order_id) DO UPDATE SET order_id = excluded.order_id RETURNING fenced`, id).Scan(&fenced).Error
	})
	if err != nil {
		return false, fmt.Errorf("fence order %s: %w", id, err)
	}
	return !fenced, nil
}

// Find implements order.Store.
func (s *Store) Find(ctx context.Context, id order.ID) (*order.Order, error) {
	return find(postgres.DB(ctx, s.db), id)
}

func find(db *gorm.DB, id order.ID) (*order.Order, error) {
	found, err := readOrders(db, db.Table("all_orders").Where("id = ?", id))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problem.NewNotFound("order")
	}
	return found[0], nil
}

// RefundRequests implements order.Store.
func (s *Store) RefundRequests(ctx context.Context, id order.ID) ([]order.RefundRequest, error) {
	var requested []order.RefundRequest
	err := postgres.DB(ctx, s.db).Raw(
		"SELECT payment_id, reason FROM all_order_refunds WHERE order_id = ? ORDER BY at, payment_id",
		string(id)).Scan(&requested).Error
	if err != nil {
		return nil, fmt.Errorf("read refunds of order %s: %w", id, err)
	}
	return requested, nil
}

// List implements order.Store.
func (s *Store) List(ctx context.Context, userID string, status order.Status, before order.ID,
	limit int) ([]*order.Order, error) {
	db := postgres.DB(ctx, s.db)
	q := db.Table("all_orders").Where("user_id = ?", userID).Order("id DESC").Limit(limit)
	if status != "" {
		q = q.Where("status = ?", status)
	}
	if before != "" {
		q = q.Where("id < ?", before)
	}
	return readOrders(db, q)
}

func readOrders(db, query *gorm.DB) ([]*order.Order, error) {
	var rows []orderRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	return withParts(db, "all_", rows)
}

// withParts reads lines and history of orders by one query and makes the orders. prefix is "" for live orders, and
// "all_" for live and archived ones.
func withParts(db *gorm.DB, prefix string, rows []orderRow) ([]*order.Order, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	keys := make([]string, len(rows))
	for i, r := range rows {
		keys[i] = r.ID
	}
	all := postgres.Array(keys)
	var parts []partRow
	err := db.Raw(`SELECT order_id, position, product_id, seller_id, name, price, quantity, image_url, '' AS status,
		'' AS reason, NULL::timestamptz AS at
			FROM `+prefix+`order_lines WHERE order_id = ANY(?::bigint[])
		UNION ALL SELECT order_id, position, 0, 0, '', 0, 0, '', status, reason, at FROM `+prefix+`order_history
		WHERE order_id = ANY(?::bigint[])
		ORDER BY order_id, position`, all, all).Scan(&parts).Error
	if err != nil {
		return nil, fmt.Errorf("read lines and history of orders: %w", err)
	}
	return fromRows(rows, parts), nil
}
