// Package archive moves old, finished records out of a service's working tables, so that those grow only with recent
// business. A live table (orders) and its archive (archived_orders) inherit from a parent (all_orders, PostgreSQL
// 5.11), which reads both. A unique key holds only within each table, so a writer first brings back what lies in the
// archive (Unarchive).
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

// Least is the least age of an archived record: longer than events and inboxes are kept, so that records rarely come
// back.
const Least = keys.LeastArchiveAge

// Every is how often a service archives.
const Every = 10 * time.Minute

// margin is how far the clocks of processes that make ids, archive and unarchive may differ.
const margin = 24 * time.Hour

const (
	lock  = 0x6d616c6c02 // advisory lock: exclusive to archive, shared to unarchive or hold
	batch = 500          // records per transaction: few enough that its locks delay nobody
)

var archived = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_archived_total",
	Help: "Old records (orders, bills, reservations, ledger entries) that were moved into the archive."})

// Table is a live table. Its archive is archived_<Name>; their parent is all_<Name>.
type Table struct {
	Name string
	Of   string // the condition for rows of records whose ids are given as one array: "order_id = ANY(?::bigint[])"
}

// Archive describes one kind of record. Its id, a Snowflake, tells its age.
type Archive struct {
	// Old is a query for finished records in live tables: ids below the first argument, in order, at most as many as the
	// second says.
	Old string
	// Tables hold the records; one that refers to another comes after it.
	Tables []Table
}

// move moves rows between tables with the same columns in the same order, as inheritance guarantees.
const move = "WITH rows AS (DELETE FROM %s WHERE %s RETURNING *) INSERT INTO %s SELECT * FROM rows"

// WithLive brings records back that may lie in the archive and runs f in the same transaction. Without such ids it only
// runs f.
func (a Archive) WithLive(ctx context.Context, db *gorm.DB, recordIDs []string,
	f func(ctx context.Context) error) error {
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

// Unarchive brings records back into the live tables, where they stay at least until tx ends. Young ids need no
// statement.
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

// old returns the ids of records that may have been archived.
func old(recordIDs []string) []string {
	var out []string
	for _, id := range recordIDs {
		if ids.Valid(id) && time.Since(ids.Made(id)) > Least-margin {
			out = append(out, id)
		}
	}
	return out
}

// Hold keeps all records where they are until tx ends, for a statement that changes live and archived ones: it would
// find a record that is just being moved in neither table.
func Hold(tx *gorm.DB) error {
	if err := tx.Exec("SELECT pg_advisory_xact_lock_shared(?)", lock).Error; err != nil {
		return fmt.Errorf("lock the archive: %w", err)
	}
	return nil
}

// Run archives what is older than age in batches, each in its own transaction; one of several replicas does it.
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

// Move archives a batch of records with ids below before and returns their number. It moves none while another process
// archives or unarchives.
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

// exclusive reports whether no other process archives or unarchives until tx ends. From then on tx fails rather than
// waits for long: whoever holds its rows may be waiting for it.
func exclusive(tx *gorm.DB) (alone bool, err error) {
	if err := tx.Raw("SELECT pg_try_advisory_xact_lock(?)", lock).Scan(&alone).Error; err != nil || !alone {
		return false, err
	}
	return true, tx.Exec("SET LOCAL lock_timeout = '500ms'").Error
}
