package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/auth/internal/signing"
	"daprmall.dev/services/kit/postgres"
)

// keysLock is the advisory lock that serialises changes of keys.
const keysLock = 0x6d616c6c6b6579 // "mallkey"

// Keys is signing.Store on PostgreSQL.
type Keys struct {
	db    *gorm.DB
	vault *signing.Vault
}

// NewKeys makes a store of keys, which a vault seals.
func NewKeys(db *gorm.DB, vault *signing.Vault) *Keys { return &Keys{db: db, vault: vault} }

type keyRow struct {
	Kid         string
	Wrap        string
	Sealed      []byte
	CreatedAt   time.Time
	ActivatedAt *time.Time
	RetiredAt   *time.Time
	RevokedAt   *time.Time
	Now         time.Time // of the database; not a column
}

// Keys implements signing.Store.
func (s *Keys) Keys(ctx context.Context) (signing.Keys, error) { return s.read(postgres.DB(ctx, s.db)) }

func (s *Keys) read(tx *gorm.DB) (signing.Keys, error) {
	var keys signing.Keys
	var rows []keyRow
	err := tx.Raw("SELECT *, statement_timestamp() AS now FROM signing_keys ORDER BY created_at, kid").Scan(&rows).Error
	if err != nil {
		return keys, fmt.Errorf("read signing keys: %w", err)
	}
	if len(rows) == 0 {
		keys.Now, err = databaseNow(tx)
		return keys, err
	}
	keys.Now = rows[0].Now.UTC()
	for _, r := range rows {
		k := signing.Key{Kid: r.Kid, Wrap: r.Wrap, Created: r.CreatedAt.UTC(), Activated: from(r.ActivatedAt),
			Retired: from(r.RetiredAt), Revoked: from(r.RevokedAt)}
		if k.Seed, err = s.vault.Open(r.Kid, r.Wrap, r.Sealed); err != nil {
			return keys, err
		}
		keys.List = append(keys.List, k)
	}
	return keys, nil
}

// ChangeKeys implements signing.Store. Keys encrypted with an older wrapping key are encrypted again.
func (s *Keys) ChangeKeys(ctx context.Context, change func(k *signing.Keys) error) (signing.Keys, error) {
	var keys signing.Keys
	err := postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		err := tx.Exec("SELECT pg_advisory_xact_lock(?)", keysLock).Error
		if err != nil {
			return err
		}
		if keys, err = s.read(tx); err != nil {
			return err
		}
		before := slices.Clone(keys.List)
		if err := change(&keys); err != nil {
			return err
		}
		var gone []string
		if keys.List, gone = keys.Kept(); len(gone) > 0 {
			if err := tx.Exec("DELETE FROM signing_keys WHERE kid IN ?", gone).Error; err != nil {
				return err
			}
		}
		// The key that stops signing first: a unique index allows only one active key.
		for _, stops := range []bool{true, false} {
			for i := range keys.List {
				k := &keys.List[i]
				if (k.State(keys.Now) != signing.Active) == stops && (k.Wrap != s.vault.Current() || !same(before, *k)) {
					if err := s.write(tx, k); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	return keys, err
}

func same(before []signing.Key, k signing.Key) bool {
	return slices.ContainsFunc(before, func(b signing.Key) bool {
		return b.Kid == k.Kid && b.Activated.Equal(k.Activated) && b.Retired.Equal(k.Retired) && b.Revoked.Equal(k.Revoked)
	})
}

func (s *Keys) write(tx *gorm.DB, k *signing.Key) error {
	k.Wrap = s.vault.Current()
	// sealed must not come first: GORM takes bytes right after a parenthesis for a list.
	err := tx.Exec(`INSERT INTO signing_keys (kid, wrap, sealed, created_at, activated_at, retired_at, revoked_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kid) DO UPDATE SET wrap = excluded.wrap, sealed = excluded.sealed, activated_at = excluded.activated_at,
			retired_at = excluded.retired_at, revoked_at = excluded.revoked_at`,
		k.Kid, k.Wrap, s.vault.Seal(k.Kid, k.Seed), k.Created, to(k.Activated), to(k.Retired), to(k.Revoked)).Error
	if err != nil {
		return fmt.Errorf("keep signing key %s: %w", k.Kid, err)
	}
	return nil
}

func from(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func to(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
