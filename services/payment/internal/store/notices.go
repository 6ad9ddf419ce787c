package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/payment/internal/payment"
)

// CheckNow implements payment.Store. A failed refund keeps the time of its next try: the notice of its failure must not
// make it due.
func (s *Store) CheckNow(
	ctx context.Context, provider, chargeID string, refund bool,
) (found, requested bool, err error) {
	err = postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		var p struct{ ID, OrderID string }
		res := tx.Raw("SELECT id, order_id FROM all_payments WHERE provider = ? AND provider_id = ? AND provider_id <> '' "+
			"LIMIT 1", provider, chargeID).Scan(&p)
		if res.Error != nil {
			return fmt.Errorf("find payment of charge %s: %w", chargeID, res.Error)
		}
		if found = res.RowsAffected > 0; !found {
			return nil
		}
		if err := billArchive.Unarchive(tx, p.OrderID); err != nil {
			return err
		}
		if !refund {
			return tx.Exec("UPDATE payments SET look_at = now() WHERE id = ? AND "+underWay, p.ID).Error
		}
		err := tx.Raw("SELECT EXISTS (SELECT 1 FROM refunds WHERE payment_id = ?)", p.ID).Scan(&requested).Error
		if err != nil {
			return err
		}
		return tx.Exec("UPDATE refunds SET look_at = now() WHERE payment_id = ? AND status <> 'failed'", p.ID).Error
	})
	return found, requested, err
}

// KeepDispute implements payment.Store. Stripe's clock has whole seconds: within one, what closes a dispute wins.
func (s *Store) KeepDispute(ctx context.Context, provider string, d payment.Dispute) (bool, error) {
	var fresh bool
	err := s.db.WithContext(ctx).
		Raw(`INSERT INTO disputes AS d (provider, id, charge_id, payment_id, amount, currency, reason, status, told_at)
		VALUES (?, ?, ?, (SELECT id FROM all_payments WHERE provider = ? AND provider_id = ? AND provider_id <> ''), ?, ?, ?,
		?, ?)
		ON CONFLICT (provider, id) DO UPDATE SET reason = excluded.reason, status = excluded.status,
		told_at = excluded.told_at
			WHERE d.told_at < excluded.told_at OR d.told_at = excluded.told_at AND d.status NOT IN ('won', 'lost',
			'warning_closed')
		RETURNING xmax = 0`, // true for a row that this statement inserted
			provider, d.ID, d.ChargeID, provider, d.ChargeID, d.Amount, d.Currency, d.Reason, d.Status, d.At).Scan(&fresh).Error
	if err != nil {
		return false, fmt.Errorf("keep dispute %s: %w", d.ID, err)
	}
	return fresh, nil
}

// Health implements payment.Store.
func (s *Store) Health(ctx context.Context, providers []string) (payment.Health, error) {
	h := payment.Health{Waiting: map[string]int64{}}
	db := s.db.WithContext(ctx)
	var waiting []struct {
		Provider string
		N        int64
	}
	err := db.Raw(`SELECT provider, count(*) AS n FROM (
			SELECT provider FROM payments WHERE status = 'processing'
			UNION ALL SELECT provider FROM refunds f JOIN payments p ON p.id = f.payment_id WHERE f.done_at IS NULL) w
		WHERE NOT provider = ANY(?::text[]) GROUP BY 1`, postgres.Array(providers)).Scan(&waiting).Error
	if err != nil {
		return h, err
	}
	for _, w := range waiting {
		h.Waiting[w.Provider] = w.N
	}
	var refunds struct{ Failed, Parked, Disputes int64 }
	err = db.Raw(`SELECT count(*) AS failed, count(*) FILTER (WHERE look_at = 'infinity') AS parked,
			(SELECT count(*) FROM disputes WHERE status NOT IN ('won', 'lost', 'warning_closed')) AS disputes
		FROM refunds WHERE done_at IS NULL AND status = 'failed'`).Scan(&refunds).Error
	h.Failed, h.Parked, h.Disputes = refunds.Failed, refunds.Parked, refunds.Disputes
	return h, err
}
