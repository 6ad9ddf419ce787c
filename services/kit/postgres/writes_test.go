package postgres_test

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

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

var notes = postgres.Migrations{Name: "notes", FS: fstest.MapFS{"0001_notes.sql": {Data: []byte(`-- +goose Up
	CREATE TABLE notes (id bigint PRIMARY KEY, text text, tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
		of bigint CONSTRAINT notes_of REFERENCES notes DEFERRABLE INITIALLY DEFERRED);`)}}}

// share runs statements in one transaction if they succeed. It returns the ids in the table, how many transactions
// wrote them, and the errors.
func share(t *testing.T, db *gorm.DB, texts ...string) (ids string, transactions int, errs []error) {
	t.Helper()
	errs = make([]error, len(texts))
	postgres.Share(t.Context(), db, func(i int, _ int64, err error) { errs[i] = err }, texts...)
	err := db.Raw("SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), ''), count(DISTINCT tx) FROM notes").Row().
		Scan(&ids, &transactions)
	if err != nil {
		t.Fatal(err)
	}
	return ids, transactions, errs
}

func note(id int) string {
	return fmt.Sprintf("INSERT INTO notes (id) VALUES (%d) ON CONFLICT DO NOTHING", id)
}

func TestStatementsThatWaitShareATransaction(t *testing.T) {
	db := postgrestest.Open(t, notes)
	ids, transactions, errs := share(t, db, note(1), note(2), note(3))
	if ids != "1 2 3" || transactions != 1 || errors.Join(errs...) != nil {
		t.Errorf("%s by %d transactions, %v", ids, transactions, errs)
	}
}

// What PostgreSQL refuses inside of a transaction shows that a lone statement is in none.
func TestALoneStatementRunsAlone(t *testing.T) {
	db := postgrestest.Open(t, notes)
	never := func(_ int, _ int64, err error) {
		if err != nil {
			t.Error(err)
		}
	}
	if shared := postgres.Share(t.Context(), db, never, "VACUUM notes"); shared != 1 {
		t.Error("a lone statement was tried in a transaction first")
	}
	if shared := postgres.Share(t.Context(), db, never, "VACUUM notes", note(1)); shared != 0 {
		t.Error("statements that share a transaction were in none")
	}
}

// However it fails, a bad statement keeps its own error, and the others have their effect once.
func TestABadStatementFailsAlone(t *testing.T) {
	for what, c := range map[string]struct {
		bad string
		is  func(error) bool
	}{
		"a unique violation": {"INSERT INTO notes (id) VALUES (0)",
			func(err error) bool { return postgres.IsUnique(err, "notes_pkey") }},
		"a violation that the commit finds": {"INSERT INTO notes (id, of) VALUES (5, 77)",
			func(err error) bool { return strings.Contains(err.Error(), "notes_of") }},
		"no statement": {"INSERT INTO nothing VALUES (1)",
			func(err error) bool { return strings.Contains(err.Error(), "nothing") }},
		"its connection breaks": {"SELECT pg_terminate_backend(pg_backend_pid())", postgres.IsUnavailable},
	} {
		db := postgrestest.Open(t, notes)
		if err := db.Exec(note(0)).Error; err != nil {
			t.Fatal(err)
		}
		ids, _, errs := share(t, db, note(1), c.bad, note(2))
		if errs[1] == nil || !c.is(errs[1]) || errs[0] != nil || errs[2] != nil || ids != "0 1 2" {
			t.Errorf("%s: %v; the table has %s", what, errs, ids)
		}
	}
}

// The commit of a lone statement may fail after it has returned its row.
func TestARowThatIsNotCommittedIsAnError(t *testing.T) {
	db := postgrestest.Open(t, notes)
	_, _, err := postgres.One(t.Context(), db, func(id *int64) []any { return []any{id} },
		"INSERT INTO notes (id, of) VALUES (1, 77) RETURNING id")
	if err == nil || !strings.Contains(err.Error(), "notes_of") {
		t.Errorf("%v", err)
	}
}

// A statement that waits for a lock does not keep those waiting that share its transaction.
func TestALockIsNotWaitedForTogether(t *testing.T) {
	db := postgrestest.Open(t, things)
	holder := db.Begin()
	if err := holder.Exec("UPDATE things SET n = 5 WHERE id = 1").Error; err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	free, done := make(chan struct{}), make(chan int, 3)
	wg.Go(func() {
		postgres.Share(t.Context(), db, func(i int, changed int64, err error) {
			if changed != 1 || err != nil {
				t.Errorf("statement %d: %d rows, %v", i, changed, err)
			}
			if i != 1 {
				close(free)
			}
			done <- i
		}, "UPDATE things SET n = n + 1 WHERE id = 2", "UPDATE things SET n = n + 1 WHERE id = 1")
	})
	<-free // while the lock is held
	if err := holder.Commit().Error; err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n(t, db, 1) != 6 || n(t, db, 2) != 1 || <-done != 0 {
		t.Errorf("n is %d and %d, want 6 and 1", n(t, db, 1), n(t, db, 2))
	}
}

// Two shared transactions that want the same rows in another order both succeed.
func TestSharedTransactionsDoNotDeadlock(t *testing.T) {
	db := postgrestest.Open(t, things)
	one, two := "UPDATE things SET n = n + 1 WHERE id = 1", "UPDATE things SET n = n + 1 WHERE id = 2"
	var wg sync.WaitGroup
	for i := range 8 {
		texts := []string{one, "SELECT pg_sleep(0.01)", two}
		if i%2 == 0 {
			texts[0], texts[2] = two, one
		}
		wg.Go(func() {
			postgres.Share(t.Context(), db, func(_ int, _ int64, err error) {
				if err != nil {
					t.Error(err)
				}
			}, texts...)
		})
	}
	wg.Wait()
	if n(t, db, 1) != 8 || n(t, db, 2) != 8 {
		t.Errorf("n is %d and %d, want 8", n(t, db, 1), n(t, db, 2))
	}
}

// In a crowd every caller gets its own row, by fewer transactions than statements, and the logger sees each statement.
func TestACrowdSharesTransactions(t *testing.T) {
	const crowd, each = 32, 8
	db := postgrestest.Open(t, notes)
	watched := postgrestest.Watch(db)
	var wg sync.WaitGroup
	for c := range crowd {
		wg.Go(func() {
			for i := range each {
				id := int64(1 + c*each + i)
				type row struct {
					ID   int64
					Text *string
					At   time.Time
				}
				fields := func(r *row) []any { return []any{&r.ID, &r.Text, &r.At} }
				r, found, err := postgres.One(t.Context(), watched.DB, fields, `INSERT INTO notes (id, text)
					VALUES (?, nullif(?, '4')) RETURNING id, text, clock_timestamp()`, id, fmt.Sprint(id))
				if err != nil || !found || r.ID != id || (r.Text == nil) != (id == 4) || time.Since(r.At).Abs() > time.Hour {
					t.Errorf("%d: %+v, %v, %v", id, r, found, err)
				}
			}
		})
	}
	wg.Wait()
	_, transactions, _ := share(t, db)
	if transactions > crowd*each/2 || watched.Runs() != crowd*each {
		t.Errorf("%d statements by %d transactions; the logger has seen %d", crowd*each, transactions, watched.Runs())
	}
}

func TestAStatementJoinsTheTransactionOfItsContext(t *testing.T) {
	db := postgrestest.Open(t, notes)
	type row struct{ ID int64 }
	fields := func(r *row) []any { return []any{&r.ID} }
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		changed, err := postgres.Exec(ctx, db, "INSERT INTO notes (id, text) VALUES (?, ?), (?, ?)", 1, "a", 2, "b")
		if changed != 2 {
			t.Errorf("%d rows, %v", changed, err)
		}
		const find = "SELECT id FROM notes WHERE id = ?"
		if r, found, err := postgres.One(ctx, db, fields, find, 2); r.ID != 2 || !found {
			t.Errorf("its own row: %+v, %v, %v", r, found, err)
		}
		if _, found, err := postgres.One(t.Context(), db, fields, find, 2); found || err != nil {
			t.Errorf("outside it: %v, %v", found, err)
		}
		return errBroken
	})
	if ids, _, _ := share(t, db); !errors.Is(err, errBroken) || ids != "" {
		t.Errorf("%v; the table has %s", err, ids)
	}
}

// A caller's own deadline ends its wait; the next ones are not held up.
func TestACallerMayGiveUp(t *testing.T) {
	db := postgrestest.Open(t, things)
	holder := db.Begin()
	defer holder.Rollback()
	if err := holder.Exec("UPDATE things SET n = 5 WHERE id = 1").Error; err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := postgres.Exec(impatient, db, "UPDATE things SET n = n + 1 WHERE id = 1")
			if !errors.Is(err, context.DeadlineExceeded) || !postgres.IsUnavailable(err) {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Go(func() {
		if changed, err := postgres.Exec(t.Context(), db, "UPDATE things SET n = n + 1 WHERE id = 2"); changed != 1 {
			t.Errorf("%d rows, %v", changed, err)
		}
	})
	wg.Wait()
}
