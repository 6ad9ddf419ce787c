package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/user/internal/user"
)

// republishAfter are the times after a deletion at which its event is published again. After the first, no request with
// a token of the account can still be running: a gateway whose list of revocations is older rejects all tokens, and a
// run with an idempotency key ends with its lease. After the second all tokens of the account have expired, even if
// auth never received the event.
var republishAfter = []time.Duration{2 * time.Minute, 26 * time.Hour}

// republishBatch is how many deletions one transaction publishes again.
const republishBatch = 100

// Delete implements user.Store.
func (s *Store) Delete(ctx context.Context, id string, allowed func(u *user.User) error) (*user.User, error) {
	var u *user.User
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var err error
		if u, err = lock(tx, id); err != nil {
			return err
		}
		if err := allowed(u); err != nil {
			return err
		}
		if u.Snapshot().Rules() {
			if err := anotherAdmin(tx, id); err != nil {
				return err
			}
		}
		kind := u.Delete()
		for _, q := range []*gorm.DB{
			tx.Exec("DELETE FROM mail_requests WHERE email = ?", u.Snapshot().Email),
			tx.Exec("DELETE FROM users WHERE id = ?", id),
		} {
			if q.Error != nil {
				return fmt.Errorf("delete user %s: %w", id, q.Error)
			}
		}
		for i, after := range republishAfter {
			err := tx.Exec("INSERT INTO deletions_to_tell (user_id, version, due_at) VALUES (?, ?, now() + make_interval(secs "+
				"=> ?))",
				id, u.Snapshot().Version+int64(i)+1, after.Seconds()).Error
			if err != nil {
				return fmt.Errorf("keep deletion of %s: %w", id, err)
			}
		}
		return s.tell(ctx, u.Snapshot(), kind)
	})
	return u, err
}

// RepublishDeletions implements user.Store.
func (s *Store) RepublishDeletions(ctx context.Context) error {
	for {
		var due []struct {
			UserID  string
			Version int64
		}
		err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
			due = nil
			err := tx.Raw(`DELETE FROM deletions_to_tell WHERE (user_id, version) IN (SELECT user_id, version
				FROM deletions_to_tell
				WHERE due_at <= now() ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING user_id, version`,
				republishBatch).Scan(&due).Error
			for _, d := range due {
				if err == nil {
					err = s.tell(ctx, user.Snapshot{ID: d.UserID, Version: d.Version}, user.Deleted)
				}
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("tell deletions again: %w", err)
		}
		if len(due) < republishBatch {
			return nil
		}
	}
}
