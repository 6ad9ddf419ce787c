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

// AskRefund is described at payment.Store.
func (s *Store) AskRefund(ctx context.Context, paymentID string, amount int64) error {
	db := postgres.DB(ctx, s.db)
	p, err := find(db, paymentID)
	if err != nil {
		return err
	}
	if amount != p.Amount {
		return fmt.Errorf("payment %s: asked to refund %d of %d", paymentID, amount, p.Amount)
	}
	return db.Exec("INSERT INTO refunds (payment_id, amount) VALUES (?, ?) ON CONFLICT (payment_id) DO NOTHING", paymentID, amount).Error
}

// NextRefund is described at payment.Store; a claim lasts longer with each try.
func (s *Store) NextRefund(ctx context.Context) (*payment.Payment, error) {
	var r row
	res := s.db.WithContext(ctx).Raw(`UPDATE refunds f SET attempts = attempts + 1, look_at = now() + make_interval(secs => least(300, 5 * power(2, least(attempts, 6))))
		FROM payments p WHERE p.id = f.payment_id AND f.payment_id = (SELECT payment_id FROM refunds WHERE done_at IS NULL AND look_at <= now()
			ORDER BY look_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING p.*`).Scan(&r)
	if res.Error != nil || res.RowsAffected == 0 {
		return nil, res.Error
	}
	return r.payment(), nil
}

// Refunded is described at payment.Store.
func (s *Store) Refunded(ctx context.Context, paymentID string) error {
	return postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		p, err := find(tx, paymentID)
		if err != nil {
			return err
		}
		b, err := lockBill(tx, p.OrderID)
		if err != nil {
			return err
		}
		res := tx.Exec("UPDATE refunds SET done_at = now() WHERE payment_id = ? AND done_at IS NULL", paymentID)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		if err := tx.Exec("UPDATE payments SET status = 'refunded', updated_at = now() WHERE id = ?", paymentID).Error; err != nil {
			return fmt.Errorf("mark payment %s refunded: %w", paymentID, err)
		}
		b.Version++
		// A second payment's refund leaves the bill paid by the first.
		err = tx.Exec(`UPDATE bills SET version = ?, updated_at = now(), status = CASE WHEN EXISTS
			(SELECT 1 FROM payments WHERE order_id = ? AND status = 'succeeded') THEN status ELSE 'refunded' END WHERE order_id = ?`, b.Version, b.OrderID, b.OrderID).Error
		if err != nil {
			return fmt.Errorf("settle bill of order %s: %w", b.OrderID, err)
		}
		return s.out.Add(ctx, outbox.Event{Topic: paymentv1.Topic, Type: paymentv1.TypeRefunded, Key: p.OrderID, Version: b.Version,
			Data: paymentv1.Refunded{PaymentID: p.ID, OrderID: p.OrderID, AggregateVersion: b.Version, Amount: p.Amount, Currency: p.Currency, At: time.Now().UTC()}})
	})
}
