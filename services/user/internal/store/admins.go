package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/user/internal/user"
)

// adminsLock is the advisory lock that serialises changes of the number of admins. It is taken last, with the account's
// row locked: of two admins who demote each other the second waits and then counts what the first has left.
const adminsLock = 0x6d616c6c61646d // "malladm"

const ruling = `SELECT count(*) FROM users WHERE roles @> '["admin"]' AND NOT banned AND id <> ?`

func otherAdmins(tx *gorm.DB, id string) (int64, error) {
	if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", adminsLock).Error; err != nil {
		return 0, err
	}
	var others int64
	err := tx.Raw(ruling, id).Scan(&others).Error
	return others, err
}

// anotherAdmin returns ErrLastAdmin if the account is the last admin.
func anotherAdmin(tx *gorm.DB, id string) error {
	others, err := otherAdmins(tx, id)
	if err == nil && others == 0 {
		return user.ErrLastAdmin
	}
	return err
}

// CountAdmins implements user.Admins.
func (s *Store) CountAdmins(ctx context.Context) (int64, error) {
	var n int64
	err := postgres.DB(ctx, s.db).Raw(ruling, 0).Scan(&n).Error
	return n, err
}

// Appoint implements user.Admins.
func (s *Store) Appoint(ctx context.Context, userID string, secretHash []byte) (*user.User, error) {
	var u *user.User
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var err error
		if u, err = lock(tx, userID); err != nil {
			return err
		}
		others, err := otherAdmins(tx, "0")
		if err != nil {
			return err
		}
		if others > 0 {
			return problem.New(problem.Conflict, "admin_exists", "The mall has an admin already: ask them.")
		}
		res := tx.Exec("INSERT INTO admin_appointments (user_id, secret_hash) VALUES (?, ?) ON CONFLICT (secret_hash) DO "+
			"NOTHING", userID, secretHash)
		if res.Error != nil {
			return fmt.Errorf("keep appointment: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return problem.New(problem.Conflict, "secret_used", "This secret was used already.")
		}
		kind, err := u.SetRoles(append([]string{"admin"}, u.Snapshot().Roles...))
		if err != nil {
			return err
		}
		return s.save(ctx, tx, u, kind)
	})
	return u, err
}
