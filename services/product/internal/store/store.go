// Package store keeps the product service in PostgreSQL: the catalogue with its search, the stock ledger, and the event
// of a rejection in the same transaction. What catalog.Store needs is in files catalog*.go, what inventory.Store needs
// in files inventory*.go.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the service's tables.
var Migrations = postgres.Migrations{Name: "product", FS: files}

// Events takes the events that commit with a change, and logs changes without one: an outbox.
type Events interface {
	Add(ctx context.Context, events ...outbox.Event) error
	LogChange(ctx context.Context, change, subject string, args ...any)
}

// Store is catalog.Store and inventory.Store on PostgreSQL: one database, so that a product and its stock commit
// together.
type Store struct {
	db       *gorm.DB
	events   Events
	syncGate func([]inventory.Apply)

	questions *batch.Group[offersQuestion, offersAnswer]
}

// New makes a store. syncGate is called with stock after its commit, never before, and not at all if the process dies
// in between.
func New(db *gorm.DB, events Events, syncGate func([]inventory.Apply)) *Store {
	s := &Store{db: db, events: events, syncGate: syncGate}
	s.questions = s.newQuestions()
	return s
}

var (
	_ catalog.Store   = (*Store)(nil)
	_ inventory.Store = (*Store)(nil)
)

// errID refuses ids that cannot be in the database. Only events can contain one: ids of requests are checked before.
var errID = errors.New("not an id")

func parseID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: %q", errID, id)
	}
	return n, nil
}

func formatID(n int64) string { return strconv.FormatInt(n, 10) }

// idArray formats ids as a PostgreSQL array. Texts that are not ids could match nothing and are left out.
func idArray(ids []string) string {
	var numbers []int64
	for _, id := range ids {
		if n, err := parseID(id); err == nil {
			numbers = append(numbers, n)
		}
	}
	return postgres.Array(numbers)
}
