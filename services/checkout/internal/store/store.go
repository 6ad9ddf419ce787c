// Package store keeps addresses and the records of checkouts in PostgreSQL.
package store

import (
	"context"
	"embed"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the tables of checkout.
var Migrations = postgres.Migrations{Name: "checkout", FS: files}

// Store is checkout.Addresses on PostgreSQL.
type Store struct{ db *gorm.DB }

// New makes a store.
func New(db *gorm.DB) *Store { return &Store{db} }

// removedLongAgo selects removed addresses that no repeated request can name any more: idempotency keys are kept for
// two days.
var removedLongAgo = postgres.Purge{Table: "addresses", Column: "removed_at", Age: 72 * time.Hour}

// PurgeRemoved deletes the rows of addresses that were removed three days ago.
func (s *Store) PurgeRemoved(ctx context.Context) error { return removedLongAgo.Run(ctx, s.db) }

type addressRow struct {
	ID         string `gorm:"primaryKey"`
	UserID     string
	Recipient  string
	Phone      string
	Street     string
	City       string
	State      string
	Country    string
	PostalCode string
}

func (addressRow) TableName() string { return "addresses" }

func toRow(a checkout.Address) addressRow {
	p := a.PostalAddress
	return addressRow{a.ID, a.UserID, p.Recipient, p.Phone, p.Street, p.City, p.State, p.Country, p.PostalCode}
}

func (r addressRow) address() checkout.Address {
	return checkout.Address{ID: r.ID, UserID: r.UserID,
		PostalAddress: checkout.PostalAddress{Recipient: r.Recipient, Phone: r.Phone, Street: r.Street,
			City: r.City, State: r.State, Country: r.Country, PostalCode: r.PostalCode}}
}

// Add implements checkout.Addresses.
func (s *Store) Add(ctx context.Context, a checkout.Address) (checkout.Address, error) {
	r := toRow(a)
	if err := postgres.DB(ctx, s.db).Clauses(clause.OnConflict{DoNothing: true}).Create(&r).Error; err != nil {
		return a, fmt.Errorf("insert address: %w", err)
	}
	return a, nil
}

// ownAddress selects a user's own address, if it was not removed.
func (s *Store) ownAddress(ctx context.Context, userID, id string) *gorm.DB {
	return postgres.DB(ctx, s.db).Where("id = ? AND user_id = ? AND removed_at IS NULL", id, userID)
}

// Find implements checkout.Addresses.
func (s *Store) Find(ctx context.Context, userID, id string) (checkout.Address, error) {
	r, found, err := postgres.One(ctx, s.db, func(r *addressRow) []any {
		return []any{&r.Recipient, &r.Phone, &r.Street, &r.City, &r.State, &r.Country, &r.PostalCode}
	}, `SELECT recipient, phone, street, city, state, country, postal_code FROM addresses
		WHERE id = ? AND user_id = ? AND removed_at IS NULL`, id, userID)
	if err != nil {
		return checkout.Address{}, fmt.Errorf("read address: %w", err)
	}
	if !found {
		return checkout.Address{}, problem.NewNotFound("address")
	}
	r.ID, r.UserID = id, userID
	return r.address(), nil
}

// List implements checkout.Addresses.
func (s *Store) List(ctx context.Context, userID, before string, limit int) ([]checkout.Address, error) {
	q := postgres.DB(ctx, s.db).Where("user_id = ? AND removed_at IS NULL", userID).Order("id DESC").Limit(limit)
	if before != "" {
		q = q.Where("id < ?", before)
	}
	var rows []addressRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	out := make([]checkout.Address, len(rows))
	for i, r := range rows {
		out[i] = r.address()
	}
	return out, nil
}

// Change implements checkout.Addresses.
func (s *Store) Change(ctx context.Context, a checkout.Address) (checkout.Address, error) {
	r := toRow(a)
	res := s.ownAddress(ctx, a.UserID, a.ID).Model(&addressRow{}).Select("*").Omit("id", "user_id").Updates(&r)
	if res.Error != nil {
		return a, fmt.Errorf("change address: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return a, problem.NewNotFound("address")
	}
	return a, nil
}

// Remove implements checkout.Addresses.
func (s *Store) Remove(ctx context.Context, userID, id string) error {
	res := s.ownAddress(ctx, userID, id).Model(&addressRow{}).Update("removed_at", gorm.Expr("now()"))
	if res.Error != nil {
		return fmt.Errorf("remove address: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return problem.NewNotFound("address")
	}
	return nil
}

// RemoveAll implements checkout.Addresses.
func (s *Store) RemoveAll(ctx context.Context, userID string) error {
	if err := postgres.DB(ctx, s.db).Exec("DELETE FROM addresses WHERE user_id = ?", userID).Error; err != nil {
		return fmt.Errorf("remove addresses: %w", err)
	}
	return nil
}
