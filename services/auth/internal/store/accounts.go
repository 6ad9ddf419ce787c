package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/postgres"
)

// known is the row of an account.
type known struct {
	auth.Account
	revision int64
	doubtful bool
}

// lockAccount reads and locks the row of an account.
func lockAccount(tx *gorm.DB, userID string) (k known, found bool, err error) {
	var r struct {
		Roles       string
		Banned      bool
		Version     int64
		PasswordID  string
		KeptSession string
		Revision    int64
		Doubtful    bool
	}
	res := tx.Raw(`SELECT roles, banned, version, password_id, kept_session, revision, doubtful FROM accounts
		WHERE user_id = ?
		FOR UPDATE`, userID).Scan(&r)
	if res.Error != nil {
		return k, false, fmt.Errorf("read account: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return k, false, nil
	}
	k = known{Account: auth.Account{ID: userID, Banned: r.Banned, Version: r.Version, PasswordID: r.PasswordID,
		KeptSession: r.KeptSession},
		revision: r.Revision, doubtful: r.Doubtful}
	return k, true, json.Unmarshal([]byte(r.Roles), &k.Roles)
}

// insertAccount adds an unknown account; false if it is known.
func insertAccount(tx *gorm.DB, a auth.Account) (bool, error) {
	roles, err := json.Marshal(a.Roles)
	if err != nil {
		return false, err
	}
	res := tx.Exec(`INSERT INTO accounts (user_id, roles, banned, version, password_id, kept_session)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id) DO NOTHING`, a.ID, string(roles), a.Banned, a.Version, a.PasswordID, a.KeptSession)
	if res.Error != nil {
		return false, fmt.Errorf("keep account: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// Revision implements auth.Accounts.
func (s *Store) Revision(ctx context.Context, userID string) (int64, error) {
	var revision int64
	err := postgres.DB(ctx, s.db).Raw("SELECT coalesce(max(revision), 0) FROM accounts WHERE user_id = ?",
		userID).Scan(&revision).Error
	return revision, err
}

// Learn implements auth.Accounts.
func (s *Store) Learn(ctx context.Context, a auth.Account, revision int64, revocationTTL time.Duration) (bool, error) {
	ok := false
	err := postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		was, found, err := lockAccount(tx, a.ID)
		if err != nil {
			return err
		}
		if ok = was.revision == revision; !ok {
			return nil
		}
		if !found {
			ok, err = insertAccount(tx, a)
			return err
		}
		roles, err := json.Marshal(a.Roles)
		if err != nil {
			return err
		}
		if err := tx.Exec(`UPDATE accounts SET roles = ?, banned = ?, version = ?, password_id = ?, kept_session = ?,
			revision = revision + 1, doubtful = false WHERE user_id = ?`,
			string(roles), a.Banned, a.Version, a.PasswordID, a.KeptSession, a.ID).Error; err != nil {
			return fmt.Errorf("take account: %w", err)
		}
		if was.Same(a) {
			return nil
		}
		return void(tx, was.Account, a, revocationTTL)
	})
	return ok, err
}

// void revokes what the account had before it became a.
func void(tx *gorm.DB, was, a auth.Account, revocationTTL time.Duration) error {
	now, err := databaseNow(tx)
	if err != nil {
		return err
	}
	if was.PasswordID != a.PasswordID {
		if err := tx.Exec("UPDATE sessions SET password_id = ? WHERE user_id = ? AND ended_at IS NULL AND id::text = ?",
			a.PasswordID, a.ID, a.KeptSession).Error; err != nil {
			return fmt.Errorf("keep session: %w", err)
		}
	}
	// Nothing of an ended session is ever valid again: its not_before lies beyond every token.
	err = tx.Exec(`WITH ended AS (
			UPDATE sessions SET ended_at = ? WHERE user_id = ? AND ended_at IS NULL AND (? OR password_id <> ?) RETURNING id)
		INSERT INTO revocations (kind, subject, not_before, created_at, expires_at) SELECT ?, id, ?, ?, ? FROM ended
		ON CONFLICT (kind, subject) DO NOTHING`,
		now, a.ID, a.Banned, a.PasswordID, authv1.KindSession, now.Add(revocationTTL), now, now.Add(revocationTTL)).Error
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	if was.SameRights(a) {
		return nil
	}
	return revoke(tx, authv1.KindUser, a.ID, now, now, revocationTTL)
}

// MarkDoubtful implements auth.Accounts.
func (s *Store) MarkDoubtful(ctx context.Context, userID string, revocationTTL time.Duration) error {
	return postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		res := tx.Exec("UPDATE accounts SET doubtful = true, revision = revision + 1 WHERE user_id = ?", userID)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		now, err := databaseNow(tx)
		if err != nil {
			return err
		}
		return revoke(tx, authv1.KindUser, userID, now, now, revocationTTL)
	})
}
