// Package store keeps accounts in PostgreSQL.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/user/internal/user"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the tables of accounts.
var Migrations = postgres.Migrations{Name: "user", FS: files}

// Store is user.Store on PostgreSQL.
type Store struct {
	db  *gorm.DB
	out *outbox.Outbox
}

// New makes a store.
func New(db *gorm.DB, out *outbox.Outbox) *Store { return &Store{db: db, out: out} }

// row is the row of an account.
type row struct {
	ID           string `gorm:"primaryKey"`
	Email        string
	PasswordHash string
	Roles        []string `gorm:"serializer:json"`
	Banned       bool
	BanReason    string
	CreatedAt    time.Time `gorm:"autoCreateTime:false"`
	Version      int64

	EmailVerified bool
	PasswordID    string
	KeptSession   string
}

func (row) TableName() string { return "users" }

// Add implements user.Store.
func (s *Store) Add(ctx context.Context, u *user.User) error {
	r := row(u.Snapshot())
	// Returned before PostgreSQL refuses it: the database's log would contain the email.
	res := postgres.DB(ctx, s.db).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "email"}}, DoNothing: true}).
		Create(&r)
	if res.Error == nil && res.RowsAffected == 0 {
		return user.ErrEmailTaken
	}
	if res.Error != nil {
		return fmt.Errorf("insert user: %w", res.Error)
	}
	return nil
}

// Find implements user.Store.
func (s *Store) Find(ctx context.Context, id string) (*user.User, error) {
	return first(postgres.DB(ctx, s.db).Where("id = ?", id))
}

// FindByEmail implements user.Store.
func (s *Store) FindByEmail(ctx context.Context, email string) (*user.User, error) {
	return first(postgres.DB(ctx, s.db).Where("email = ?", email))
}

func first(q *gorm.DB) (*user.User, error) {
	var r row
	err := q.Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, problem.NewNotFound("user")
	}
	if err != nil {
		return nil, fmt.Errorf("read user: %w", err)
	}
	r.CreatedAt = r.CreatedAt.UTC()
	return user.Restore(user.Snapshot(r)), nil
}

// Update implements user.Store.
func (s *Store) Update(ctx context.Context, id string, change func(u *user.User) (user.EventKind, error)) (*user.User,
	error) {
	var u *user.User
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var err error
		if u, err = lock(tx, id); err != nil {
			return err
		}
		ruled := u.Snapshot().Rules()
		kind, err := change(u)
		if err != nil {
			return err
		}
		if ruled && !u.Snapshot().Rules() {
			if err := anotherAdmin(tx, id); err != nil {
				return err
			}
		}
		return s.save(ctx, tx, u, kind)
	})
	return u, err
}

func lock(tx *gorm.DB, id string) (*user.User, error) {
	return first(tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", id))
}

func (s *Store) save(ctx context.Context, tx *gorm.DB, u *user.User, kind user.EventKind) error {
	r := row(u.Snapshot())
	if err := tx.Save(&r).Error; err != nil {
		return fmt.Errorf("save user %s: %w", r.ID, err)
	}
	return s.tell(ctx, u.Snapshot(), kind)
}

func (s *Store) tell(ctx context.Context, u user.Snapshot, kind user.EventKind) error {
	e := outbox.Event{Topic: userv1.Topic, Key: u.ID, Version: u.Version}
	now := time.Now().UTC()
	switch kind {
	case user.Banned:
		e.Type, e.Data = userv1.TypeBanned, userv1.Banned{UserID: u.ID, AggregateVersion: u.Version, Roles: u.Roles, At: now}
	case user.Unbanned:
		e.Type, e.Data = userv1.TypeUnbanned, userv1.Unbanned{UserID: u.ID, AggregateVersion: u.Version, Roles: u.Roles,
			At: now}
	case user.RolesChanged:
		e.Type, e.Data = userv1.TypeRolesChanged, userv1.RolesChanged{UserID: u.ID, AggregateVersion: u.Version,
			Roles: u.Roles, Banned: u.Banned, At: now}
	case user.PasswordChanged:
		e.Type, e.Data = userv1.TypePassword, userv1.PasswordChanged{UserID: u.ID, AggregateVersion: u.Version, At: now}
	case user.Deleted:
		e.Type, e.Data = userv1.TypeDeleted, userv1.Deleted{UserID: u.ID, AggregateVersion: u.Version, At: now}
	default:
		return nil
	}
	return s.out.Add(ctx, e)
}

// List implements user.Store.
func (s *Store) List(ctx context.Context, emails []string, after string, limit int) ([]*user.User, error) {
	q := postgres.DB(ctx, s.db).Order("id").Limit(limit)
	if len(emails) > 0 {
		q = q.Where("email IN ?", emails)
	}
	if after != "" {
		q = q.Where("id > ?", after)
	}
	var rows []row
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	users := make([]*user.User, len(rows))
	for i, r := range rows {
		r.CreatedAt = r.CreatedAt.UTC()
		users[i] = user.Restore(user.Snapshot(r))
	}
	return users, nil
}
