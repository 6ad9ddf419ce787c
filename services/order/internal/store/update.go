package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
)

// locked is the row of a locked order, with the database's time.
type locked struct {
	Row orderRow `gorm:"embedded"`
	Now time.Time
}

// Update implements order.Store by three statements (lock, read lines and history, write) for any number of updates,
// and one more for each refund.
func (s *Store) Update(ctx context.Context, updates ...order.Update) ([]*order.Order, error) {
	ids := make([]string, len(updates))
	for i, u := range updates {
		ids[i] = string(u.ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var changed []*order.Order
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		if err := orderArchive.Unarchive(tx, ids...); err != nil {
			return err
		}
		var found []locked
		err := tx.Raw("SELECT *, clock_timestamp() AS now FROM orders WHERE id = ANY(?::bigint[]) ORDER BY id FOR UPDATE",
			postgres.Array(ids)).Scan(&found).Error
		if err != nil {
			return fmt.Errorf("lock orders: %w", err)
		}
		if len(found) < len(ids) {
			return problem.NewNotFound("order")
		}
		changed, err = s.applyUpdates(ctx, tx, found, updates)
		return err
	})
	return changed, err
}

// NextDue implements order.Store.
func (s *Store) NextDue(ctx context.Context, grace time.Duration, change order.Mutation) (bool, error) {
	found := false
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var l locked
		// statement_timestamp, unlike clock_timestamp, can bound an index scan.
		res := tx.Raw(`SELECT *, clock_timestamp() AS now FROM orders WHERE status = 'awaiting_payment'
			AND payment_due_at < statement_timestamp() - make_interval(secs => ?)
			ORDER BY payment_due_at LIMIT 1 FOR UPDATE SKIP LOCKED`, grace.Seconds()).Scan(&l)
		found = res.RowsAffected == 1
		if res.Error != nil || !found {
			return res.Error
		}
		_, err := s.applyUpdates(ctx, tx, []locked{l}, []order.Update{{ID: order.ID(l.Row.ID), Change: change}})
		return err
	})
	return found, err
}

const updateOrders = `WITH o AS (
		UPDATE orders o SET status = r.status, recipient = r.recipient, phone = r.phone, street = r.street, city = r.city,
		state = r.state,
			country = r.country, postal_code = r.postal_code, cancel_reason = r.cancel_reason, cancelled_by = r.cancelled_by,
			payment_id = r.payment_id, updated_at = r.updated_at, version = r.version
		FROM jsonb_populate_recordset(NULL::orders, ?::jsonb) r WHERE o.id = r.id
	), h AS (
		INSERT INTO order_history (order_id, position, status, reason, at)
		SELECT order_id, position, status, reason, at FROM jsonb_populate_recordset(NULL::order_history, ?::jsonb)
	)
	` + outbox.Insert

// applyUpdates changes locked orders and writes them with their history and events by one statement.
func (s *Store) applyUpdates(
	ctx context.Context, tx *gorm.DB, found []locked, updates []order.Update,
) ([]*order.Order, error) {
	rows := make([]orderRow, len(found))
	for i, l := range found {
		rows[i] = l.Row
	}
	orders, err := withParts(tx, "", rows)
	if err != nil {
		return nil, err
	}
	// For the history only: the clock was read before the statement waited for locks, so no decision may depend on it.
	now := found[len(found)-1].Now.UTC()
	byID := make(map[order.ID]*order.Order, len(orders))
	for _, o := range orders {
		byID[o.Snapshot().ID] = o
	}
	changed := map[order.ID]orderRow{}
	var history []historyRow
	var outgoing []outbox.Event
	out := make([]*order.Order, len(updates))
	for i, u := range updates {
		o := byID[u.ID]
		out[i] = o
		before := o.Snapshot()
		events, err := u.Change(o, now)
		if err != nil {
			return nil, err
		}
		after := o.Snapshot()
		if after.Version == before.Version {
			continue
		}
		if events, err = dropRepeatedRefunds(tx, u.ID, events); err != nil {
			return nil, err
		}
		changed[u.ID] = toOrderRow(after)
		history = append(history, toHistoryRows(after, len(before.History))...)
		outgoing = append(outgoing, toEvents(after, events)...)
		if len(events) == 0 {
			s.out.LogChange(ctx, "order."+string(after.Status), string(u.ID), "version", after.Version)
		}
	}
	if len(changed) == 0 {
		return out, nil
	}
	return out, s.save(ctx, tx, slices.Collect(maps.Values(changed)), history, outgoing)
}

func (s *Store) save(ctx context.Context, tx *gorm.DB, changed []orderRow, history []historyRow,
	outgoing []outbox.Event) error {
	args, err := marshalAll(changed, append([]historyRow{}, history...)) // none is [], not null
	if err != nil {
		return err
	}
	events, err := s.out.Rows(ctx, outgoing...)
	if err != nil {
		return err
	}
	if err := tx.Exec(updateOrders, append(args, events)...).Error; err != nil {
		return fmt.Errorf("save orders: %w", err)
	}
	if len(outgoing) > 0 {
		s.out.Notify(ctx, outgoing...)
	}
	return nil
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

// dropRepeatedRefunds drops requests for refunds that exist already.
func dropRepeatedRefunds(tx *gorm.DB, id order.ID, events []order.Event) ([]order.Event, error) {
	var fresh []order.Event
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
		fresh = append(fresh, e)
	}
	return fresh, nil
}
