package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/payment/internal/payment"
)

// RequestRefund implements payment.Store.
func (s *Store) RequestRefund(ctx context.Context, paymentID string, amount int64) error {
	p, err := s.Find(ctx, paymentID)
	if err != nil {
		return err
	}
	if amount != p.Amount {
		return fmt.Errorf("payment %s: asked to refund %d of %d", paymentID, amount, p.Amount)
	}
	return billArchive.WithLive(ctx, s.db, []string{p.OrderID}, func(ctx context.Context) error {
		return postgres.DB(ctx, s.db).Exec(
			"INSERT INTO refunds (payment_id, amount) VALUES (?, ?) ON CONFLICT (payment_id) DO NOTHING",
			paymentID, amount).Error
	})
}

const nextRefund = `UPDATE refunds f
	SET attempts = attempts + 1, look_at = now() + make_interval(secs => least(300, 5 * power(2, least(attempts, 6))))
	FROM payments p WHERE p.id = f.payment_id AND f.payment_id = (SELECT f.payment_id FROM refunds f JOIN payments p
	ON p.id = f.payment_id
		WHERE f.look_at < 'infinity' AND f.look_at <= now() AND (f.done_at IS NULL OR f.provider_refund_id <> '')
		AND p.provider = ANY(?::text[])
		ORDER BY f.look_at LIMIT 1 FOR UPDATE OF f SKIP LOCKED)
	RETURNING p.*, f.provider_refund_id, f.done_at IS NOT NULL AS done, f.status = 'failed' AS broken`

// NextRefund implements payment.Store. A claim lasts longer with each try.
func (s *Store) NextRefund(ctx context.Context, providers []string) (*payment.RefundRequest, error) {
	var r struct {
		Attempt          paymentRow `gorm:"embedded"`
		ProviderRefundID string
		Done, Broken     bool
	}
	res := s.db.WithContext(ctx).Raw(nextRefund, postgres.Array(providers)).Scan(&r)
	if res.Error != nil || res.RowsAffected == 0 {
		return nil, res.Error
	}
	p, err := r.Attempt.payment()
	if err != nil {
		return nil, err
	}
	return &payment.RefundRequest{Payment: *p, RefundID: r.ProviderRefundID, Done: r.Done, Failed: r.Broken}, nil
}

// maxFailures is how often a refund fails before it waits for an operator.
const maxFailures = 5

// KeepRefund implements payment.Store. The bill is locked before the refund, as in Settle.
func (s *Store) KeepRefund(ctx context.Context, paymentID string, r payment.Refund) error {
	return postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		p, err := find(tx, paymentID)
		if err != nil {
			return err
		}
		b, err := lockBill(tx, p.OrderID)
		if err != nil {
			return err
		}
		switch r.State {
		case payment.RefundSucceeded:
			return s.refunded(ctx, tx, p, b, r)
		case payment.RefundFailed:
			return refundFailed(tx, paymentID, r)
		}
		// Still under way: checked less and less often; a notice may hasten it.
		return tx.Exec(`UPDATE refunds SET status = 'pending', provider_refund_id = ?, look_at = now() + greatest(interval
			'10 seconds', least(interval '1 hour', (now() - created_at) / 2))
			WHERE payment_id = ? AND done_at IS NULL`, r.ID, paymentID).Error
	})
}

// refunded marks the money as refunded and writes the event, once.
func (s *Store) refunded(ctx context.Context, tx *gorm.DB, p *payment.Payment, b *payment.Bill,
	r payment.Refund) error {
	// A bank may return the money later: the refund is checked again after a day and then twice as late each time, for a
	// month.
	const checkAgain = `look_at = CASE WHEN coalesce(done_at, now()) < now() - interval '30 days' THEN 'infinity'
		ELSE now() + greatest(interval '1 day', now() - coalesce(done_at, now())) END`
	var done struct{ Before, Told bool }
	err := tx.Raw("SELECT done_at IS NOT NULL AS before, told_at IS NOT NULL AS told FROM refunds WHERE payment_id = ? "+
		"FOR UPDATE", p.ID).Scan(&done).Error
	if err != nil {
		return err
	}
	err = tx.Exec(`UPDATE refunds SET done_at = coalesce(done_at, now()), told_at = coalesce(told_at, now()),
		status = 'succeeded', provider_refund_id = ?, reason = '', `+checkAgain+`
		WHERE payment_id = ?`, r.ID, p.ID).Error
	if err != nil || done.Before {
		return err
	}
	if err := tx.Exec("UPDATE payments SET status = 'refunded', updated_at = now() WHERE id = ?", p.ID).Error; err != nil {
		return fmt.Errorf("mark payment %s refunded: %w", p.ID, err)
	}
	if done.Told { // the event was written before; the bank had returned the money since
		return nil
	}
	b.Version++
	// The refund of a second payment leaves the bill paid by the first.
	err = tx.Exec(`UPDATE bills SET version = ?, updated_at = now(), status = CASE WHEN EXISTS
		(SELECT 1 FROM payments WHERE order_id = ? AND status = 'succeeded') THEN status ELSE 'refunded' END
		WHERE order_id = ?`, b.Version, b.OrderID, b.OrderID).Error
	if err != nil {
		return fmt.Errorf("settle bill of order %s: %w", b.OrderID, err)
	}
	return s.out.Add(ctx, outbox.Event{Topic: paymentv1.Topic, Type: paymentv1.TypeRefunded, Key: p.OrderID,
		Version: b.Version,
		Data: paymentv1.Refunded{PaymentID: p.ID, OrderID: p.OrderID, AggregateVersion: b.Version, Amount: p.Amount,
			Currency: p.Currency, At: time.Now().UTC()}})
}

// refundFailed makes a refund open again, also one that was done: the mall has the money. It is tried again, later each
// time, and after maxFailures only when an operator asks for it.
func refundFailed(tx *gorm.DB, paymentID string, r payment.Refund) error {
	err := tx.Exec(`UPDATE refunds SET status = 'failed', done_at = NULL, provider_refund_id = ?, reason = ?,
		failures = failures + 1,
			look_at = CASE WHEN failures + 1 >= ? THEN 'infinity' ELSE now() + interval '1 minute' * power(4, failures) END
		WHERE payment_id = ?`, r.ID, r.Reason, maxFailures, paymentID).Error
	if err != nil {
		return fmt.Errorf("keep failed refund of payment %s: %w", paymentID, err)
	}
	return tx.Exec("UPDATE payments SET status = 'succeeded', updated_at = now() WHERE id = ? AND status = 'refunded'",
		paymentID).Error
}
