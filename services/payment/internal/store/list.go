package store

import (
	"context"
	"fmt"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/payment/internal/payment"
)

// ListOfOrder implements payment.Store.
func (s *Store) ListOfOrder(ctx context.Context, orderID, before string, limit int) ([]*payment.Payment, error) {
	q := postgres.DB(ctx, s.db).Table("all_payments").Where("order_id = ?", orderID).Order("id DESC").Limit(limit)
	if before != "" {
		q = q.Where("id < ?", before)
	}
	var rows []paymentRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list payments of order %s: %w", orderID, err)
	}
	found := make([]*payment.Payment, len(rows))
	for i, r := range rows {
		var err error
		if found[i], err = r.payment(); err != nil {
			return nil, err
		}
	}
	return found, nil
}
