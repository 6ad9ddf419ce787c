package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/payment/internal/payment"
)

// settleFree writes the payments of free bills that were opened now, with their events.
func (s *Store) settleFree(ctx context.Context, tx *gorm.DB, bills []payment.Bill, now time.Time) error {
	rows, events := make([]paymentRow, len(bills)), make([]outbox.Event, len(bills))
	for i, b := range bills {
		p, err := b.FreePayment(now)
		if err != nil {
			return err
		}
		if rows[i], err = toPaymentRow(p); err != nil {
			return err
		}
		events[i] = succeededEvent(p, b.Version)
	}
	if err := tx.Create(&rows).Error; err != nil {
		return fmt.Errorf("settle free bills: %w", err)
	}
	return s.out.Add(ctx, events...)
}
