// Package store keeps orders in PostgreSQL. A change, its history and its events commit together.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

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
}

// New makes a store.
func New(db *gorm.DB, out *outbox.Outbox) *Store { return &Store{db: db, out: out} }

// Create implements order.Store. It writes by one statement, because a checkout waits for it. Create and Fence of one
// id exclude each other, because both insert the same row of order_ids.
func (s *Store) Create(ctx context.Context, id order.ID,
	build func(now time.Time) (*order.Order, []order.Event, error)) (*order.Order, error) {
	now, err := s.clock.now(ctx, postgres.DB(ctx, s.db))
	if err != nil {
		return nil, err
	}
	o, events, err := build(now)
	if err != nil {
		return nil, err
	}
	created := false
	err = orderArchive.WithLive(ctx, s.db, []string{string(id)}, func(ctx context.Context) (err error) {
		created, err = s.insert(ctx, o.Snapshot(), events)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("insert order %s: %w", id, err)
	}
	if created {
		return o, nil
	}
	o, err = s.Find(ctx, id)
	if problem.KindOf(err) == problem.NotFound {
		return nil, problem.New(problem.Conflict, "checkout_expired",
			"The checkout took too long and its stock was released. Try again with a new Idempotency-Key.")
	}
	return o, err
}

// insertOrder names its columns, because a newer version that runs beside this one may have added some.
const insertOrder = `WITH claim AS (
		INSERT INTO order_ids (order_id) VALUES (?) ON CONFLICT (order_id) DO NOTHING RETURNING order_id
	), o AS (
		INSERT INTO orders (id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal,
		shipping, total, currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version)
		SELECT id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal, shipping, total,
		currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version
		FROM jsonb_populate_record(NULL::orders, ?::jsonb) WHERE EXISTS (SELECT 1 FROM claim)
	), l AS (
		INSERT INTO order_lines (order_id, position, product_id, seller_id, name, price, quantity)
		SELECT order_id, position, product_id, seller_id, name, price, quantity
		FROM jsonb_populate_recordset(NULL::order_lines, ?::jsonb)
		WHERE EXISTS (SELECT 1 FROM claim)
	), h AS (
		INSERT INTO order_history (order_id, position, status, reason, at)
		SELECT order_id, position, status, reason, at FROM jsonb_populate_recordset(NULL::order_history, ?::jsonb)
		WHERE EXISTS (SELECT 1 FROM claim)
	)
	` + outbox.Insert + ` WHERE EXISTS (SELECT 1 FROM claim)`

// insert writes a new order with its lines, history and event, unless the id is taken.
func (s *Store) insert(ctx context.Context, snap order.Snapshot, events []order.Event) (created bool, err error) {
	parts, err := marshalAll(toOrderRow(snap), toLineRows(snap), toHistoryRows(snap, 0))
	if err != nil {
		return false, err
	}
	outgoing := toEvents(snap, events)
	rows, err := s.out.Rows(ctx, outgoing...)
	if err != nil {
		return false, err
	}
	args := append([]any{string(snap.ID)}, append(parts, rows)...)
	res := postgres.DB(ctx, s.db).Exec(insertOrder, args...)
	if res.Error != nil || res.RowsAffected == 0 {
		return false, res.Error
	}
	s.out.Notify(ctx, outgoing...)
	return true, nil
}

func marshalAll(parts ...any) ([]any, error) {
	out := make([]any, len(parts))
	for i, part := range parts {
		text, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		out[i] = string(text)
	}
	return out, nil
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
	err := db.Raw(`SELECT order_id, position, product_id, seller_id, name, price, quantity, '' AS status, '' AS reason,
		NULL::timestamptz AS at
			FROM `+prefix+`order_lines WHERE order_id = ANY(?::bigint[])
		UNION ALL SELECT order_id, position, 0, 0, '', 0, 0, status, reason, at FROM `+prefix+`order_history
		WHERE order_id = ANY(?::bigint[])
		ORDER BY order_id, position`, all, all).Scan(&parts).Error
	if err != nil {
		return nil, fmt.Errorf("read lines and history of orders: %w", err)
	}
	return fromRows(rows, parts), nil
}
