package archive_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

const year = 365 * 24 * time.Hour

var (
	migrations = postgres.Migrations{Name: "things", FS: fstest.MapFS{"0001_things.sql": {Data: []byte(`-- +goose Up
		CREATE TABLE things (id bigint PRIMARY KEY, open boolean NOT NULL, n bigint NOT NULL DEFAULT 0);
		CREATE TABLE parts (thing_id bigint NOT NULL REFERENCES things (id), position bigint NOT NULL, what text NOT NULL,
			PRIMARY KEY (thing_id, position));
		CREATE TABLE steps (id bigint PRIMARY KEY, at timestamptz NOT NULL);
		CREATE INDEX steps_by_age ON steps (at);
		CREATE TABLE all_things (LIKE things, CHECK (false) NO INHERIT);
		ALTER TABLE things INHERIT all_things;
		CREATE TABLE archived_things (LIKE things INCLUDING ALL) INHERITS (all_things);
		CREATE TABLE all_parts (LIKE parts, CHECK (false) NO INHERIT);
		ALTER TABLE parts INHERIT all_parts;
		CREATE TABLE archived_parts (LIKE parts INCLUDING ALL) INHERITS (all_parts);
		CREATE TABLE all_steps (LIKE steps, CHECK (false) NO INHERIT);
		ALTER TABLE steps INHERIT all_steps;
		CREATE TABLE archived_steps (LIKE steps INCLUDING ALL) INHERITS (all_steps);`)}}}
	things = archive.Archive{
		Finished: "SELECT id FROM things WHERE id < ? AND NOT open ORDER BY id LIMIT ?",
		Tables: []archive.Table{
			{Name: "things", Where: "id = ANY(?::bigint[])"},
			{Name: "parts", Where: "thing_id = ANY(?::bigint[])"},
		},
	}
)

// aged returns the i-th id of those made that long ago.
func aged(ago time.Duration, i int) string {
	return fmt.Sprint(ids.FirstAt(time.Now().Add(-ago)) + int64(i))
}

func exec(t *testing.T, db *gorm.DB, sql string, args ...any) {
	t.Helper()
	if err := db.Exec(sql, args...).Error; err != nil {
		t.Fatal(err)
	}
}

func one[T any](t *testing.T, db *gorm.DB, sql string, args ...any) (v T) {
	t.Helper()
	if err := db.Raw(sql, args...).Scan(&v).Error; err != nil {
		t.Fatal(err)
	}
	return v
}

func add(t *testing.T, db *gorm.DB, id string, open bool) {
	t.Helper()
	exec(t, db, "INSERT INTO things (id, open) VALUES (?, ?)", id, open)
	exec(t, db, "INSERT INTO parts VALUES (?, 1, 'lid'), (?, 2, 'pot')", id, id)
}

// where returns the tables that contain a thing and its parts.
func where(t *testing.T, db *gorm.DB, id string) string {
	t.Helper()
	return one[string](t,
		db, `SELECT string_agg(t, ' ' ORDER BY t) FROM (SELECT tableoid::regclass::text AS t FROM all_things WHERE id = ?
		UNION ALL SELECT DISTINCT tableoid::regclass::text FROM all_parts WHERE thing_id = ?) w`, id, id)
}

const live, away = "parts things", "archived_parts archived_things"

func TestOldFinishedRecordsAreArchived(t *testing.T) {
	db := postgrestest.Open(t, migrations)
	want := map[string]string{}
	for i := range 1201 { // more than two batches
		id := aged(2*year, i)
		add(t, db, id, false)
		want[id] = away
	}
	for i, id := range []string{aged(3*year, 0), aged(2*year, 5000), aged(year-time.Hour, 0), aged(0, 0)} {
		add(t, db, id, i < 2) // two open ones, then two young ones
		want[id] = live
	}
	if err := things.Run(t.Context(), db, year); err != nil {
		t.Fatal(err)
	}
	for id, tables := range want {
		if got := where(t, db, id); got != tables {
			t.Fatalf("%s is in %q, want %q", id, got, tables)
		}
	}
	if n := one[int](t, db, "SELECT count(*) FROM all_parts"); n != 2*len(want) {
		t.Errorf("%d parts exist, want %d", n, 2*len(want))
	}
}

// However short the setting is, records that an event may still name are not archived.
func TestYoungRecordsAreNotArchived(t *testing.T) {
	db := postgrestest.Open(t, migrations)
	young, old := aged(archive.MinAge-time.Hour, 0), aged(archive.MinAge+time.Hour, 0)
	add(t, db, young, false)
	add(t, db, old, false)
	if err := things.Run(t.Context(), db, 0); err != nil {
		t.Fatal(err)
	}
	if where(t, db, young) != live || where(t, db, old) != away {
		t.Errorf("young in %q, old in %q", where(t, db, young), where(t, db, old))
	}
}

// A writer finds the complete record in the live tables until its transaction ends, with columns that were added since.
// If the transaction fails, nothing has moved.
func TestUnarchiveMovesARecordBack(t *testing.T) {
	db := postgrestest.Open(t, migrations)
	id, other := aged(2*year, 0), aged(2*year, 1)
	add(t, db, id, false)
	add(t, db, other, false)
	exec(t, db, "ALTER TABLE all_things ADD COLUMN note text NOT NULL DEFAULT ''")
	exec(t, db, "UPDATE things SET note = 'kept', n = 7")
	if err := things.Run(t.Context(), db, year); err != nil {
		t.Fatal(err)
	}
	fail := errors.New("broken")
	for _, end := range []error{fail, nil} {
		err := things.WithLive(t.Context(), db, []string{id, aged(0, 1), "nonsense"}, func(ctx context.Context) error {
			tx := postgres.DB(ctx, db)
			if got := where(t, tx, id); got != live {
				t.Errorf("after Unarchive it is in %q", got)
			}
			exec(t, tx, "INSERT INTO things (id, open) VALUES (?, true) ON CONFLICT (id) DO UPDATE SET n = things.n + 1", id)
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
		if end != nil && where(t, db, id) != away {
			t.Error("the record was moved although the transaction failed")
		}
	}
	if got := one[string](t, db, "SELECT concat_ws(' ', open, n, note) FROM things WHERE id = ?", id); got != "f 8 kept" {
		t.Errorf("moved back: %q", got)
	}
	if where(t, db, other) != away {
		t.Error("another record was unarchived")
	}
}

// For young records Unarchive needs no statement and no transaction.
func TestUnarchiveOfYoungRecordsNeedsNoStatement(t *testing.T) {
	watched := postgrestest.Watch(postgrestest.Open(t, migrations))
	err := things.WithLive(t.Context(), watched.DB, []string{aged(archive.MinAge-48*time.Hour, 0)},
		func(ctx context.Context) error {
			if postgres.DB(ctx, watched.DB).Statement.ConnPool != watched.DB.Statement.ConnPool {
				t.Error("a transaction was begun")
			}
			return things.Unarchive(watched.DB, aged(0, 0))
		})
	if err != nil || watched.Seen() != 0 {
		t.Errorf("%v, %d statements", err, watched.Seen())
	}
}

// Replicas archive while others write the same records: each record exists once, and no write is lost.
func TestArchivingRacesWithWriters(t *testing.T) {
	db := postgrestest.Open(t, migrations)
	const records, rounds = 20, 40
	for i := range records {
		add(t, db, aged(2*year, i), false)
	}
	all := one[string](t, db, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM things")
	known := strings.Fields(all)
	var writers, movers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		movers.Go(func() {
			for {
				if err := things.Run(t.Context(), db, year); err != nil && !strings.Contains(err.Error(), "55P03") {
					t.Errorf("archive: %v", err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			for r := range rounds {
				id := known[(w*7+r*3)%records]
				err := things.WithLive(t.Context(), db, []string{id}, func(ctx context.Context) error {
					return postgres.DB(ctx, db).Exec(
						"INSERT INTO things (id, open, n) VALUES (?, false, 1) ON CONFLICT (id) DO UPDATE SET n = things.n + 1", id).Error
				})
				if err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	movers.Wait()
	if got := one[string](t, db,
		"SELECT concat_ws(' ', count(*), count(DISTINCT id), sum(n), "+
			"(SELECT count(*) FROM all_parts)) FROM all_things"); got !=
		fmt.Sprint(records, records, 3*rounds, 2*records) {
		t.Errorf("records, different ones, writes, parts: %s; want %d, %d, %d, %d", got, records, records, 3*rounds,
			2*records)
	}
}

// Archiving skips a record that another transaction has locked: waiting could deadlock with a writer that needs the
// archive.
func TestArchivingSkipsLockedRecords(t *testing.T) {
	db := postgrestest.Open(t, migrations)
	id := aged(2*year, 0)
	add(t, db, id, false)
	tx := db.Begin()
	defer tx.Rollback()
	exec(t, tx, "UPDATE things SET n = 1 WHERE id = ?", id)
	if err := things.Run(t.Context(), db, year); err == nil || !strings.Contains(err.Error(), "55P03") {
		t.Fatalf("archived a record that another transaction has locked: %v", err)
	}
	if err := things.Unarchive(tx, id); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit().Error; err != nil || where(t, db, id) != live {
		t.Errorf("%v, it is in %q", err, where(t, db, id))
	}
}

func TestOldEntriesOfALogAreArchived(t *testing.T) {
	db := postgrestest.Open(t, migrations)
	exec(t, db, "INSERT INTO steps SELECT i, now() - make_interval(hours => i) FROM generate_series(1, 14000) i")
	if err := (archive.Log{Name: "steps", At: "at"}).Run(t.Context(), db, year); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db,
		"SELECT concat_ws(' ', (SELECT count(*) FROM steps), (SELECT min(id) FROM archived_steps), "+
			"count(*)) FROM all_steps"); got !=
		"8760 8761 14000" && got != "8759 8760 14000" {
		t.Errorf("live, first archived, all: %s", got)
	}
}
