package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/postgres"
)

// forgotten replaces a name.
const forgotten = "-"

// AnonymizeBuyer implements order.Store. It locks one order at a time, briefly, so that it can be part of no deadlock.
func (s *Store) AnonymizeBuyer(ctx context.Context, userID string) error {
	for {
		done := false
		err := postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
			if err := archive.KeepInPlace(tx); err != nil {
				return err
			}
			res := tx.Exec(`UPDATE all_orders SET recipient = ?, phone = '', street = ? WHERE id = (
				SELECT id FROM all_orders WHERE user_id = ? AND (recipient, phone, street) <> (?, '', ?) ORDER BY id DESC LIMIT 1)`,
				forgotten, forgotten, userID, forgotten, forgotten)
			done = res.RowsAffected == 0
			return res.Error
		})
		if err != nil {
			return fmt.Errorf("forget buyer: %w", err)
		}
		if done {
			return nil
		}
	}
}
