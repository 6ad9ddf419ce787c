// Package store keeps the product service in PostgreSQL: the catalogue with its
// search, the stock ledger, and the event of a rejection in the same transaction.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/product"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the service's tables.
var Migrations = postgres.Migrations{Name: "product", FS: files}

// Events takes the events that commit with a change: an outbox.
type Events interface {
	Add(ctx context.Context, events ...outbox.Event) error
}

// Store is product.Store on PostgreSQL.
type Store struct {
	db      *gorm.DB
	events  Events
	changed func([]product.Apply)
}

// New makes a store. changed hears of stock after its commit, never before, and
// not at all if the process dies in between.
func New(db *gorm.DB, events Events, changed func([]product.Apply)) *Store {
	return &Store{db: db, events: events, changed: changed}
}

var _ product.Store = (*Store)(nil)

// row is how a product lies in PostgreSQL, joined with what can be bought of it.
type row struct {
	ID          int64
	SellerID    int64
	Name        string
	Description string
	Category    string
	ImageURL    string `gorm:"column:image_url"`
	Price       int64
	Currency    string
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Deleted     bool
	Available   int64
	Rank        float64
	Total       int64 // of the whole list
}

const columns = `p.id, p.seller_id, p.name, p.description, p.category, p.image_url, p.price, p.currency, p.version,
	p.created_at, p.updated_at, p.deleted_at IS NOT NULL AS deleted`

func (r row) view() product.View {
	return product.View{
		Attributes: product.Attributes{
			ID: text(r.ID), SellerID: text(r.SellerID), Name: r.Name, Description: r.Description, Category: r.Category,
			ImageURL: r.ImageURL, Price: money.Of(r.Price, r.Currency), Version: r.Version, Deleted: r.Deleted,
			CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		},
		Available: r.Available,
	}
}

// errID is for ids that cannot be in the database; they come from events only,
// requests are checked at the edge.
var errID = errors.New("not an id")

func number(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: %q", errID, id)
	}
	return n, nil
}

func text(n int64) string { return strconv.FormatInt(n, 10) }

// array writes ids for ANY. Ids that are none match nothing and are left out.
func array(ids []string) string {
	var numbers []int64
	for _, id := range ids {
		if n, err := number(id); err == nil {
			numbers = append(numbers, n)
		}
	}
	return postgres.Array(numbers)
}
