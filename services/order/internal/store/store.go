// Package store keeps orders in PostgreSQL. A change, its history and its events commit together.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the tables of orders.
var Migrations = postgres.Migrations{Name: "order", FS: files}

// Store is order.Store on PostgreSQL.
type Store struct {
	db  *gorm.DB
	out *outbox.Outbox
}

// New makes a store.
func New(db *gorm.DB, out *outbox.Outbox) *Store { return &Store{db: db, out: out} }

// Create is described at order.Store. Create and Fence of one id exclude each other by an advisory lock: there is no row yet
// to lock, and whichever comes second must see what the first one wrote.
func (s *Store) Create(ctx context.Context, id order.ID, build func(now time.Time) (*order.Order, []order.Event, error)) (*order.Order, error) {
	var o *order.Order
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		now, fenced, exists, err := lockID(tx, id)
		switch {
		case err != nil:
			return err
		case exists:
			o, err = find(tx, id)
			return err
		case fenced:
			return problem.New(problem.Conflict, "checkout_expired", "The checkout took too long and its stock was released. Try again with a new Idempotency-Key.")
		}
		var events []order.Event
		if o, events, err = build(now); err != nil {
			return err
		}
		snap := o.Snapshot()
		if err := insert(tx, snap); err != nil {
			return fmt.Errorf("insert order %s: %w", id, err)
		}
		return s.out.Add(ctx, toEvents(snap, events)...)
	})
	return o, err
}

// insertOrder names its columns: a newer version beside this one may have added some.
const insertOrder = `WITH o AS (
		INSERT INTO orders (id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal, shipping, total, currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version)
		SELECT id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal, shipping, total, currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version
		FROM jsonb_populate_record(NULL::orders, ?::jsonb)
	), l AS (
		INSERT INTO order_lines (order_id, position, product_id, seller_id, name, price, quantity)
		SELECT order_id, position, product_id, seller_id, name, price, quantity FROM jsonb_populate_recordset(NULL::order_lines, ?::jsonb)
	)
	INSERT INTO order_history (order_id, position, status, reason, at)
	SELECT order_id, position, status, reason, at FROM jsonb_populate_recordset(NULL::order_history, ?::jsonb)`

// insert writes a new order with its lines and history in one statement: a checkout waits for it.
func insert(tx *gorm.DB, snap order.Snapshot) error {
	rows := make([]any, 3)
	for i, part := range []any{toRow(snap), toLineRows(snap), toHistoryRows(snap, 0)} {
		text, err := json.Marshal(part)
		if err != nil {
			return err
		}
		rows[i] = string(text)
	}
	return tx.Exec(insertOrder, rows...).Error
}

// Fence is described at order.Store.
func (s *Store) Fence(ctx context.Context, id order.ID) (bool, error) {
	var exists bool
	err := postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		var fenced bool
		var err error
		if _, fenced, exists, err = lockID(tx, id); err != nil || exists || fenced {
			return err
		}
		return tx.Exec("INSERT INTO order_tombstones (order_id) VALUES (?)", id).Error
	})
	return exists, err
}

func lockID(tx *gorm.DB, id order.ID) (now time.Time, fenced, exists bool, err error) {
	if err := tx.Exec("SELECT pg_advisory_xact_lock(CAST(? AS bigint))", id).Error; err != nil {
		return now, false, false, fmt.Errorf("lock order id %s: %w", id, err)
	}
	var r struct {
		Now    time.Time
		Fenced bool
		Exists bool
	}
	// A statement of its own: its snapshot must be younger than the lock.
	err = tx.Raw(`SELECT clock_timestamp() AS now, EXISTS (SELECT 1 FROM order_tombstones WHERE order_id = ?) AS fenced,
		EXISTS (SELECT 1 FROM orders WHERE id = ?) AS exists`, id, id).Scan(&r).Error
	return r.Now.UTC(), r.Fenced, r.Exists, err
}

// Update is described at order.Store.
func (s *Store) Update(ctx context.Context, id order.ID, change func(o *order.Order, now time.Time) ([]order.Event, error)) (*order.Order, error) {
	var o *order.Order
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		res := tx.Exec("SELECT 1 FROM orders WHERE id = ? FOR UPDATE", id)
		if res.Error != nil {
			return fmt.Errorf("lock order %s: %w", id, res.Error)
		}
		if res.RowsAffected == 0 {
			return problem.Missing("order")
		}
		var err error
		o, err = s.change(ctx, tx, id, change)
		return err
	})
	return o, err
}

// NextDue is described at order.Store.
func (s *Store) NextDue(ctx context.Context, grace time.Duration, change func(o *order.Order, now time.Time) ([]order.Event, error)) (bool, error) {
	found := false
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var id string
		res := tx.Raw(`SELECT id FROM orders WHERE status = 'awaiting_payment' AND payment_due_at < clock_timestamp() - make_interval(secs => ?)
			ORDER BY payment_due_at LIMIT 1 FOR UPDATE SKIP LOCKED`, grace.Seconds()).Scan(&id)
		found = res.RowsAffected == 1
		if res.Error != nil || !found {
			return res.Error
		}
		_, err := s.change(ctx, tx, order.ID(id), change)
		return err
	})
	return found, err
}

// change loads a locked order, changes it and keeps what changed.
func (s *Store) change(ctx context.Context, tx *gorm.DB, id order.ID, change func(o *order.Order, now time.Time) ([]order.Event, error)) (*order.Order, error) {
	o, err := find(tx, id)
	if err != nil {
		return nil, err
	}
	before := o.Snapshot()
	var now time.Time
	if err := tx.Raw("SELECT clock_timestamp()").Scan(&now).Error; err != nil {
		return nil, err
	}
	events, err := change(o, now.UTC())
	if err != nil {
		return nil, err
	}
	after := o.Snapshot()
	if after.Version == before.Version {
		return o, nil
	}
	if events, err = newRefunds(tx, id, events); err != nil {
		return nil, err
	}
	r := toRow(after)
	if err := tx.Save(&r).Error; err != nil {
		return nil, fmt.Errorf("save order %s: %w", id, err)
	}
	return o, s.tell(ctx, tx, after, len(before.History), events)
}

// newRefunds drops the request for a refund that was asked for already.
func newRefunds(tx *gorm.DB, id order.ID, events []order.Event) ([]order.Event, error) {
	var kept []order.Event
	for _, e := range events {
		if e.Kind == order.EventRefundRequested {
			r := refundRow{PaymentID: e.Payment.ID, OrderID: string(id), Reason: string(e.Reason), At: e.At}
			res := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&r)
			if res.Error != nil {
				return nil, fmt.Errorf("record refund of payment %s: %w", e.Payment.ID, res.Error)
			}
			if res.RowsAffected == 0 {
				continue
			}
		}
		kept = append(kept, e)
	}
	return kept, nil
}

// tell writes the history's new steps and the events.
func (s *Store) tell(ctx context.Context, tx *gorm.DB, snap order.Snapshot, known int, events []order.Event) error {
	if rows := toHistoryRows(snap, known); len(rows) > 0 {
		if err := tx.Create(&rows).Error; err != nil {
			return fmt.Errorf("write history of order %s: %w", snap.ID, err)
		}
	}
	return s.out.Add(ctx, toEvents(snap, events)...)
}

// Find is described at order.Store.
func (s *Store) Find(ctx context.Context, id order.ID) (*order.Order, error) {
	return find(postgres.DB(ctx, s.db), id)
}

func find(db *gorm.DB, id order.ID) (*order.Order, error) {
	found, err := load(db, db.Where("id = ?", id))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problem.Missing("order")
	}
	return found[0], nil
}

// List is described at order.Store.
func (s *Store) List(ctx context.Context, userID string, status order.Status, before order.ID, limit int) ([]*order.Order, error) {
	db := postgres.DB(ctx, s.db)
	q := db.Where("user_id = ?", userID).Order("id DESC").Limit(limit)
	if status != "" {
		q = q.Where("status = ?", status)
	}
	if before != "" {
		q = q.Where("id < ?", before)
	}
	return load(db, q)
}

// load reads orders with their lines and history in three queries, however many they are.
func load(db, query *gorm.DB) ([]*order.Order, error) {
	var rows []row
	if err := query.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	keys := make([]string, len(rows))
	for i, r := range rows {
		keys[i] = r.ID
	}
	var lines []lineRow
	if err := db.Where("order_id IN ?", keys).Order("order_id, position").Find(&lines).Error; err != nil {
		return nil, fmt.Errorf("read order lines: %w", err)
	}
	var history []historyRow
	if err := db.Where("order_id IN ?", keys).Order("order_id, position").Find(&history).Error; err != nil {
		return nil, fmt.Errorf("read order history: %w", err)
	}
	return fromRows(rows, lines, history), nil
}
