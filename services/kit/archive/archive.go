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

// MinAge is the least age of an archived record. It is longer than events are kept in outboxes and inboxes, so that
// hardly any event changes an archived record, which must then be moved back.
const MinAge = keys.LeastArchiveAge

// Every is how often a service archives.
const Every = 10 * time.Minute

// clockMargin is how far the clocks of processes that make ids, archive and unarchive may differ. Unarchive looks for
// records that are younger than MinAge by this margin.
const clockMargin = 24 * time.Hour

const (
	// archiveLock is the number of an advisory lock ("mall", 2): exclusive to archive, shared to unarchive or KeepInPlace.
	archiveLock = 0x6d616c6c02
	batch       = 500 // records per transaction: few enough that its locks delay nobody
)

var archived = promauto.NewCounter(prometheus.CounterOpts{Name: "mall_archived_total",
	Help: "Old records (orders, bills, reservations, ledger entries) that were moved into the archive."})

// Table is a live table. Its archive is archived_<Name>; their parent is all_<Name>.
type Table struct {
	Name  string
	Where string // selects the rows of records, given an array of their ids: "order_id = ANY(?::bigint[])"
}

// Archive describes one kind of record. The age of a record is that of its id, a Snowflake.
type Archive struct {
	// Finished is a query for finished records in live tables: ids below the first argument, in order, at most as many as
	// the second says.
	Finished string
	// Tables hold the records; one that refers to another comes after it.
	Tables []Table
}

// move moves rows between tables with the same columns in the same order, as inheritance guarantees.
const move = "WITH rows AS (DELETE FROM %s WHERE %s RETURNING *) INSERT INTO %s SELECT * FROM rows"

// WithLive runs f in a transaction in which these records are in the live tables (see Unarchive). If all of them are
// younger than MinAge they are there already, and f runs without a transaction.
func (a Archive) WithLive(ctx context.Context, db *gorm.DB, recordIDs []string,
	f func(ctx context.Context) error) error {
	if len(maybeArchived(recordIDs)) == 0 {
		return f(ctx)
	}
	return postgres.InTx(ctx, db, func(ctx context.Context, tx *gorm.DB) error {
		if err := a.Unarchive(tx, recordIDs...); err != nil {
			return err
		}
		return f(ctx)
	})
}

// Unarchive moves records back into the live tables, where they stay at least until tx ends. Records younger than
// MinAge need no statement.
func (a Archive) Unarchive(tx *gorm.DB, recordIDs ...string) error {
	found := maybeArchived(recordIDs)
	if len(found) == 0 {
		return nil
	}
	if err := KeepInPlace(tx); err != nil {
		return err
	}
	for _, t := range a.Tables {
		sql := fmt.Sprintf(move, "archived_"+t.Name, t.Where, t.Name)
		if err := tx.Exec(sql, postgres.Array(found)).Error; err != nil {
			return fmt.Errorf("bring %s back from the archive: %w", t.Name, err)
		}
	}
	return nil
}

// maybeArchived returns the ids of records that may have been archived.
func maybeArchived(recordIDs []string) []string {
	var out []string
	for _, id := range recordIDs {
		if ids.Valid(id) && time.Since(ids.Made(id)) > MinAge-clockMargin {
			out = append(out, id)
		}
	}
	return out
}

// KeepInPlace prevents that records are moved until tx ends. A statement that changes live and archived records needs
// it: it would find a record that is being moved in neither table.
func KeepInPlace(tx *gorm.DB) error {
	if err := tx.Exec("SELECT pg_advisory_xact_lock_shared(?)", archiveLock).Error; err != nil {
		return fmt.Errorf("lock the archive: %w", err)
	}
	return nil
}

// Run archives what is older than age in batches, each in its own transaction; one of several replicas does it.
func (a Archive) Run(ctx context.Context, db *gorm.DB, age time.Duration) error {
	before := ids.FirstAt(time.Now().Add(-max(age, MinAge)))
	for {
		n := 0
		err := postgres.InTx(ctx, db, func(_ context.Context, tx *gorm.DB) (err error) {
			n, err = a.MoveBatch(tx, before)
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

// MoveBatch archives a batch of records with ids below before and returns their number. It moves none while another
// process archives or unarchives.
func (a Archive) MoveBatch(tx *gorm.DB, before int64) (int, error) {
	if alone, err := tryLockExclusive(tx); err != nil || !alone {
		return 0, err
	}
	var found []string
	if err := tx.Raw(a.Finished, before, batch).Scan(&found).Error; err != nil {
		return 0, fmt.Errorf("look for what is old: %w", err)
	}
	if len(found) == 0 {
		return 0, nil
	}
	for i := len(a.Tables) - 1; i >= 0; i-- {
		t := a.Tables[i]
		sql := fmt.Sprintf(move, t.Name, t.Where, "archived_"+t.Name)
		if err := tx.Exec(sql, postgres.Array(found)).Error; err != nil {
			return 0, fmt.Errorf("archive %s: %w", t.Name, err)
		}
	}
	return len(found), nil
}

// tryLockExclusive reports whether it could exclude other processes from archiving and unarchiving until tx ends. From
// then on tx waits for a row only briefly and then fails: the transaction that has the row may be waiting for this one.
func tryLockExclusive(tx *gorm.DB) (alone bool, err error) {
	if err := tx.Raw("SELECT pg_try_advisory_xact_lock(?)", archiveLock).Scan(&alone).Error; err != nil || !alone {
		return false, err
	}
	return true, tx.Exec("SET LOCAL lock_timeout = '500ms'").Error
}
