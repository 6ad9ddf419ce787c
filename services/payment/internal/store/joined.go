package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/payment/internal/payment"
)

// payable is the condition of payment.Bill.CanStart and of ownership.
const payable = "user_id = ? AND status = 'open' AND due_at > clock_timestamp()"

// startNew claims the key if the attempt can probably start, and then locks the bill and checks again, in the order of
// claim and Start. A statement's select list is evaluated before it waits for locks, so an outer query reads the clock
// once it has the bill.
var startNew = `WITH k AS (
		` + idempotency.ClaimPart("EXISTS (SELECT 1 FROM bills WHERE order_id = ? AND "+payable+")") + `
	), locked AS MATERIALIZED (
		SELECT b.* FROM k JOIN bills b ON b.order_id = ? FOR UPDATE OF b
	), b AS MATERIALIZED (
		SELECT *, clock_timestamp() AS now FROM locked WHERE ` + payable + `
	), p AS (
		INSERT INTO payments (id, order_id, user_id, provider, amount, currency, status, card_brand, card_last4,
			created_at, updated_at)
		SELECT ?::bigint, order_id, user_id, ?, amount, currency, 'processing', ?, ?, ?::timestamptz, ?::timestamptz FROM b
		RETURNING id
	)
	SELECT b.amount, b.currency, b.version, b.now FROM p, b`

// StartNew implements payment.Store.
func (s *Store) StartNew(ctx context.Context, p payment.Payment, run keyed.Run) (*payment.Payment, error) {
	args := append(idempotency.ClaimArgs(run), p.OrderID, p.UserID, p.OrderID, p.UserID,
		p.ID, p.Provider, p.Card.Brand, p.Card.Last4, p.CreatedAt, p.UpdatedAt)
	kept, found, err := postgres.One(ctx, s.db, func(kept *payment.Payment) []any {
		return []any{&kept.Amount, &kept.Currency, &kept.Started.BillVersion, &kept.Started.At}
	}, startNew, args...)
	switch {
	case postgres.IsUnique(err, ""), postgres.Undone(err): // another attempt is under way; Start tries again
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("start payment %s: %w", p.ID, err)
	case !found:
		return nil, nil
	}
	p.Amount, p.Currency, p.Started = kept.Amount, kept.Currency, kept.Started
	p.Started.ReadAt = time.Now()
	return &p, nil
}

// settleNew changes the bill only from the version that the event is based on.
var settleNew = `WITH b AS MATERIALIZED (
		SELECT order_id FROM bills WHERE order_id = ? AND version = ? AND status = 'open' FOR UPDATE
	), p AS (
		UPDATE payments p SET status = 'succeeded', card_brand = ?, card_last4 = ?, next_action = NULL, updated_at = ?
		FROM b WHERE p.id = ? AND p.order_id = b.order_id AND ` + underWay + ` RETURNING p.id
	), paid AS (
		UPDATE bills SET status = 'paid', version = ?, updated_at = now() WHERE order_id = ? AND EXISTS (SELECT 1 FROM p)
	), k AS (
		` + idempotency.FinishPart("EXISTS (SELECT 1 FROM p)") + `
	)
	` + outbox.Insert + ` WHERE EXISTS (SELECT 1 FROM p)`

// SettleNew implements payment.Store.
func (s *Store) SettleNew(ctx context.Context, p payment.Payment, run keyed.Run, answer keyed.Answer) (bool,
	error) {
	version := p.Started.BillVersion + 1
	event := succeededEvent(p, version)
	rows, err := s.out.Rows(ctx, event)
	if err != nil {
		return false, err
	}
	args := slices.Concat([]any{p.OrderID, p.Started.BillVersion, p.Card.Brand, p.Card.Last4, p.UpdatedAt, p.ID, version,
		p.OrderID},
		idempotency.FinishArgs(run, answer), []any{rows})
	settled, err := postgres.Exec(ctx, s.db, settleNew, args...)
	if err != nil {
		return false, fmt.Errorf("settle payment %s: %w", p.ID, err)
	}
	if settled == 0 {
		return false, nil
	}
	s.out.Notify(ctx, event)
	return true, nil
}

func succeededEvent(p payment.Payment, version int64) outbox.Event {
	return outbox.Event{Topic: paymentv1.Topic, Type: paymentv1.TypeSucceeded, Key: p.OrderID, Version: version,
		Data: paymentv1.Succeeded{PaymentID: p.ID, OrderID: p.OrderID, AggregateVersion: version, Amount: p.Amount,
			Currency: p.Currency, At: p.UpdatedAt}}
}
