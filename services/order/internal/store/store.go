// Package store keeps orders in PostgreSQL. A change, its history and its events commit together.
package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
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

// maxRaces bounds how often Create tries again because other orders of the shopper were placed meanwhile. Each of them
// has taken a slot, so that a shopper's cap would have to be freed as often.
const maxRaces = 1000

// Create implements order.Store. It writes by one statement, because a checkout waits for it. Create and Fence of one
// id exclude each other, because both insert the same row of order_ids.
func (s *Store) Create(ctx context.Context, id order.ID, maxOpen int64,
	build func(now time.Time) (*order.Order, []order.Event, error)) (*order.Order, error) {
	now, err := s.clock.now(ctx, postgres.DB(ctx, s.db))
	if err != nil {
		return nil, err
	}
	o, events, err := build(now)
	if err != nil {
		return nil, err
	}
	maxOpen = min(maxOpen, math.MaxInt16) // the slots of a shopper
	var res inserted
	for try := 1; ; try++ {
		err = orderArchive.WithLive(ctx, s.db, []string{string(id)}, func(ctx context.Context) (err error) {
			res, err = s.insert(ctx, o.Snapshot(), events, maxOpen)
			return err
		})
		if err == nil || !postgres.IsUnique(err, "orders_open_slot") || try == maxRaces {
			break
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("insert order %s: %w", id, err)
	case res.Claimed && !res.Fenced:
		return o, nil
	case res.Claimed:
		return nil, order.TooManyOpenError{Open: res.Open, Most: maxOpen, Oldest: res.Oldest.Time.UTC(), Now: now}
	}
	found, err := s.Find(ctx, id)
	if problem.KindOf(err) == problem.NotFound {
		return nil, s.whyFenced(ctx, o.Snapshot().UserID, maxOpen, now)
	}
	return found, err
}

// whyFenced returns the refusal of an id that was fenced. If the shopper still has too many open orders, that is it: an
// earlier run of the same checkout may have been refused for it.
func (s *Store) whyFenced(ctx context.Context, userID string, maxOpen int64, now time.Time) error {
	var res inserted
	err := postgres.DB(ctx, s.db).Raw("WITH cap AS (SELECT ?::bigint AS most, ?::bigint AS shopper) SELECT "+countOpen,
		maxOpen, userID).Scan(&res).Error
	if err != nil {
		return fmt.Errorf("count open orders: %w", err)
	}
	if maxOpen > 0 && res.Open >= maxOpen {
		return order.TooManyOpenError{Open: res.Open, Most: maxOpen, Oldest: res.Oldest.Time.UTC(), Now: now}
	}
	return problem.New(problem.Conflict, "checkout_expired",
		"The checkout took too long and its stock was released. Try again with a new Idempotency-Key.")
}

// countOpen counts a shopper's unpaid orders, with the earliest time at which one is due.
const countOpen = `count(*) AS open, min(payment_due_at) AS oldest FROM orders
	WHERE user_id = (SELECT shopper FROM cap) AND status = 'awaiting_payment' AND (SELECT most FROM cap) > 0`

// insertOrder names its columns, because a newer version that runs beside this one may have added some.
//
// slot is a free one of the shopper, by chance, so that orders placed at the same time rarely want the same: the second
// of two would fail by the unique index. An order without a slot under a cap is not placed, and its id is fenced:
// checkout releases its stock, so that another run must not place it.
//
// The arguments are in cap, so that no plan depends on them: PostgreSQL then plans the statement once per connection.
const insertOrder = `WITH cap AS MATERIALIZED (
		SELECT ?::bigint AS most, ?::bigint AS shopper
	), mine AS (
		SELECT coalesce(array_agg(open_slot) FILTER (WHERE open_slot IS NOT NULL), '{}') AS taken,
			1 + floor(random() * (SELECT most FROM cap))::bigint AS guess, ` + countOpen + `
	), slot AS (
		SELECT CASE WHEN open >= most THEN NULL WHEN guess <> ALL (taken) THEN guess
			ELSE (SELECT min(n) FROM generate_series(1, most) n WHERE n <> ALL (taken)) END AS number FROM mine, cap
	), claim AS (
		INSERT INTO order_ids (order_id, fenced) SELECT ?, most > 0 AND number IS NULL FROM slot, cap
		ON CONFLICT (order_id) DO NOTHING RETURNING fenced
	), placed AS (
		SELECT number AS open_slot FROM claim, slot WHERE NOT fenced
	), o AS (
		INSERT INTO orders (id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal,
		shipping, total, currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version, open_slot)
		SELECT id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal, shipping, total,
		currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version, placed.open_slot
		FROM placed, jsonb_populate_record(NULL::orders, ?::jsonb)
	), l AS (
		INSERT INTO order_lines (order_id, position, product_id, seller_id, name, price, quantity)
		SELECT order_id, position, product_id, seller_id, name, price, quantity
		FROM jsonb_populate_recordset(NULL::order_lines, ?::jsonb)
		WHERE EXISTS (SELECT 1 FROM placed)
	), h AS (
		INSERT INTO order_history (order_id, position, status, reason, at)
		SELECT order_id, position, status, reason, at FROM jsonb_populate_recordset(NULL::order_history, ?::jsonb)
		WHERE EXISTS (SELECT 1 FROM placed)
	), events AS (
	` + outbox.Insert + ` WHERE EXISTS (SELECT 1 FROM placed)
	) SELECT true AS claimed, fenced, open, oldest FROM claim, mine`

// inserted is what became of insertOrder.
type inserted struct {
	Claimed bool // the id was new
	Fenced  bool // and there is no order, because the shopper has too many open ones
	Open    int64
	Oldest  sql.NullTime // when the first of them is due
}

// insert writes a new order with its lines, history and event, unless the id is taken or the shopper has maxOpen unpaid
// orders (0: no bound).
func (s *Store) insert(ctx context.Context, snap order.Snapshot, events []order.Event, maxOpen int64) (inserted,
	error) {
	parts, err := marshalAll(toOrderRow(snap), toLineRows(snap), toHistoryRows(snap, 0))
	if err != nil {
		return inserted{}, err
	}
	outgoing := toEvents(snap, events)
	rows, err := s.out.Rows(ctx, outgoing...)
	if err != nil {
		return inserted{}, err
	}
	args := append([]any{maxOpen, snap.UserID, string(snap.ID)}, append(parts, rows)...)
	var res inserted
	// GORM's Scan into a struct would cost as much as the statement itself.
	err = postgres.DB(ctx, s.db).Raw(insertOrder, args...).Row().Scan(&res.Claimed, &res.Fenced, &res.Open, &res.Oldest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return inserted{}, err
	}
	if res.Claimed && !res.Fenced {
		s.out.Notify(ctx, outgoing...)
	}
	return res, nil
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
