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

// known is an account as its row has it.
type known struct {
	auth.Account
	revision int64
	doubtful bool
}

// lockAccount gives and locks the row of an account.
func lockAccount(tx *gorm.DB, userID string) (k known, found bool, err error) {
	var r struct {
		Roles    string
		Banned   bool
		Version  int64
		Revision int64
		Doubtful bool
	}
	res := tx.Raw("SELECT roles, banned, version, revision, doubtful FROM accounts WHERE user_id = ? FOR UPDATE", userID).Scan(&r)
	if res.Error != nil {
		return k, false, fmt.Errorf("read account: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return k, false, nil
	}
	k = known{Account: auth.Account{ID: userID, Banned: r.Banned, Version: r.Version}, revision: r.Revision, doubtful: r.Doubtful}
	return k, true, json.Unmarshal([]byte(r.Roles), &k.Roles)
}

// insertAccount keeps an account nobody knows yet; false if somebody does.
func insertAccount(tx *gorm.DB, a auth.Account) (bool, error) {
	roles, err := json.Marshal(a.Roles)
	if err != nil {
		return false, err
	}
	res := tx.Exec("INSERT INTO accounts (user_id, roles, banned, version) VALUES (?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING",
		a.ID, string(roles), a.Banned, a.Version)
	if res.Error != nil {
		return false, fmt.Errorf("keep account: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// Revision is described at auth.Accounts.
func (s *Store) Revision(ctx context.Context, userID string) (int64, error) {
	var revision int64
	err := postgres.DB(ctx, s.db).Raw("SELECT coalesce(max(revision), 0) FROM accounts WHERE user_id = ?", userID).Scan(&revision).Error
	return revision, err
}

// Learn is described at auth.Accounts.
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
		if err := tx.Exec(`UPDATE accounts SET roles = ?, banned = ?, version = ?, revision = revision + 1, doubtful = false
			WHERE user_id = ?`, string(roles), a.Banned, a.Version, a.ID).Error; err != nil {
			return fmt.Errorf("take account: %w", err)
		}
		if was.Same(a) {
			return nil
		}
		return void(tx, a, revocationTTL)
	})
	return ok, err
}

// void ends what an account had before it became a.
func void(tx *gorm.DB, a auth.Account, revocationTTL time.Duration) error {
	now, err := clock(tx)
	if err != nil {
		return err
	}
	if a.Banned {
		if err := tx.Exec("UPDATE sessions SET ended_at = ? WHERE user_id = ? AND ended_at IS NULL", now, a.ID).Error; err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
	}
	return revoke(tx, authv1.KindUser, a.ID, now, now, revocationTTL)
}

// Doubt is described at auth.Accounts.
func (s *Store) Doubt(ctx context.Context, userID string, revocationTTL time.Duration) error {
	return postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		res := tx.Exec("UPDATE accounts SET doubtful = true, revision = revision + 1 WHERE user_id = ?", userID)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		now, err := clock(tx)
		if err != nil {
			return err
		}
		return revoke(tx, authv1.KindUser, userID, now, now, revocationTTL)
	})
}
