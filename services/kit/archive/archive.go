// Package archive keeps what is old and finished out of the tables that a service works with, so that those stay as small as its
// recent business. A live table, orders, and its archive, archived_orders, inherit from all_orders (PostgreSQL 5.11): who asks that reads
// both. A unique key holds within each of the two, so a writer brings back first what lies in the archive (Unarchive).
package archive

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres"
)

// Least is the least age of what is archived: longer than events and inboxes are kept, so that as a rule nothing comes back.
const Least = keys.LeastArchiveAge

// Every is how often a service looks for what has become old.
const Every = 10 * time.Minute

// margin is how far the clocks of those who make ids, archive and unarchive may lie apart.
const margin = 24 * time.Hour

const (
	lock  = 0x6d616c6c02 // the advisory lock of who archives (exclusive), and who unarchives or holds (shared)
	batch = 500          // records per transaction: few enough that its locks hold nobody up
)

var archived = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_archived_total",
	Help: "Old records (orders, bills, reservations, ledger entries) that were moved into the archive."})

// Table is a live table. Its archive is archived_<Name>, both are all_<Name>.
type Table struct {
	Name string
	Of   string // the condition for rows of records whose ids are given as one array: "order_id = ANY(?::bigint[])"
}

// Archive is what belongs to one kind of record. Its id, a Snowflake, says how old it is.
type Archive struct {
	// Old is a query for records in live tables that nothing changes any more: ids below the first argument, in order, at most as
	// many as the second says.
	Old string
	// Tables hold the records; one that refers to another comes after it.
	Tables []Table
}

// move takes rows out of one table into another that has the same columns, in the same order: inheritance sees to it.
const move = "WITH rows AS (DELETE FROM %s WHERE %s RETURNING *) INSERT INTO %s SELECT * FROM rows"

// WithLive runs f, with records that may lie in the archive brought back in the same transaction. Without such ids it only runs f.
func (a Archive) WithLive(ctx context.Context, db *gorm.DB, recordIDs []string, f func(ctx context.Context) error) error {
	if len(old(recordIDs)) == 0 {
		return f(ctx)
	}
	return postgres.InTx(ctx, db, func(ctx context.Context, tx *gorm.DB) error {
		if err := a.Unarchive(tx, recordIDs...); err != nil {
			return err
		}
		return f(ctx)
	})
}

// Unarchive brings records back into the live tables, where they stay at least until tx ends. Young ones are there: they cost nothing.
func (a Archive) Unarchive(tx *gorm.DB, recordIDs ...string) error {
	found := old(recordIDs)
	if len(found) == 0 {
		return nil
	}
	if err := Hold(tx); err != nil {
		return err
	}
	for _, t := range a.Tables {
		sql := fmt.Sprintf(move, "archived_"+t.Name, t.Of, t.Name)
		if err := tx.Exec(sql, postgres.Array(found)).Error; err != nil {
			return fmt.Errorf("bring %s back from the archive: %w", t.Name, err)
		}
	}
	return nil
}

// old gives the ids of records that may have been archived.
func old(recordIDs []string) []string {
	var out []string
	for _, id := range recordIDs {
		if ids.Valid(id) && time.Since(ids.Made(id)) > Least-margin {
			out = append(out, id)
		}
	}
	return out
}

// Hold keeps all records where they are until tx ends, for a statement that changes live and archived ones alike: one that is being
// moved meanwhile it would find nowhere.
func Hold(tx *gorm.DB) error {
	if err := tx.Exec("SELECT pg_advisory_xact_lock_shared(?)", lock).Error; err != nil {
		return fmt.Errorf("lock the archive: %w", err)
	}
	return nil
}

// Run archives what is older than age, a batch after the other, each in its own transaction; of several replicas one does it.
func (a Archive) Run(ctx context.Context, db *gorm.DB, age time.Duration) error {
	before := ids.First(time.Now().Add(-max(age, Least)))
	for {
		n := 0
		err := postgres.InTx(ctx, db, func(_ context.Context, tx *gorm.DB) (err error) {
			n, err = a.Move(tx, before)
			return err
		})
		if err != nil {
			return err
		}
		archived.Add(float64(n))
		if n < batch {
			return nil
		}
	}
}

// Move archives a batch of records with ids below before and gives their number. It moves none while somebody else archives or
// unarchives.
func (a Archive) Move(tx *gorm.DB, before int64) (int, error) {
	if alone, err := exclusive(tx); err != nil || !alone {
		return 0, err
	}
	var found []string
	if err := tx.Raw(a.Old, before, batch).Scan(&found).Error; err != nil {
		return 0, fmt.Errorf("look for what is old: %w", err)
	}
	if len(found) == 0 {
		return 0, nil
	}
	for i := len(a.Tables) - 1; i >= 0; i-- {
		t := a.Tables[i]
		sql := fmt.Sprintf(move, t.Name, t.Of, "archived_"+t.Name)
		if err := tx.Exec(sql, postgres.Array(found)).Error; err != nil {
			return 0, fmt.Errorf("archive %s: %w", t.Name, err)
		}
	}
	return len(found), nil
}

// exclusive says whether nobody else archives or unarchives until tx ends. From then on tx rather fails than waits for long: who
// holds its rows may wait for it in turn.
func exclusive(tx *gorm.DB) (alone bool, err error) {
	if err := tx.Raw("SELECT pg_try_advisory_xact_lock(?)", lock).Scan(&alone).Error; err != nil || !alone {
		return false, err
	}
	return true, tx.Exec("SET LOCAL lock_timeout = '500ms'").Error
}
