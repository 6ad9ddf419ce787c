package store

import (
	"context"
	"fmt"

	"daprmall.dev/services/kit/postgres"
)

// forgotten stands where a name was.
const forgotten = "-"

// AnonymizeBuyer is described at order.Store. One order at a time: each is locked for a moment, and nothing waits in a circle.
func (s *Store) AnonymizeBuyer(ctx context.Context, userID string) error {
	for {
		res := postgres.DB(ctx, s.db).Exec(`UPDATE all_orders SET recipient = ?, phone = '', street = ? WHERE id = (
			SELECT id FROM all_orders WHERE user_id = ? AND (recipient, phone, street) <> (?, '', ?) ORDER BY id DESC LIMIT 1)`,
			forgotten, forgotten, userID, forgotten, forgotten)
		if res.Error != nil {
			return fmt.Errorf("forget buyer: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return nil
		}
	}
}
