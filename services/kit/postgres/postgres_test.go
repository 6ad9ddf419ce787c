package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

var things = postgres.Migrations{Name: "things", FS: fstest.MapFS{
	"0001_things.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE things (id bigint PRIMARY KEY, " +
			"n bigint NOT NULL DEFAULT 0 CONSTRAINT things_n CHECK (n " +
			">= 0));\nINSERT INTO things VALUES (1), (2);")},
	"0002_more.sql": {Data: []byte(
		"-- +goose Up\nALTER TABLE things ADD COLUMN what text NOT NULL DEFAULT 'a ? and a @name';")},
}}

var errBroken = errors.New("broken")

func n(t *testing.T, db *gorm.DB, id int) int {
	t.Helper()
	var got int
	if err := db.Raw("SELECT n FROM things WHERE id = ?", id).Scan(&got).Error; err != nil {
		t.Fatal(err)
	}
	return got
}

func bump(ctx context.Context, db *gorm.DB, id int) error {
	return postgres.DB(ctx, db).Exec("UPDATE things SET n = n + 1 WHERE id = ?", id).Error
}

func TestInnerTransactionsJoinTheOuterOne(t *testing.T) {
	db := postgrestest.Open(t, things)
	var ran []string
	after := func(ctx context.Context, what string) {
		postgres.AfterCommit(ctx, db, func() { ran = append(ran, what) })
	}
	work := func(fail error) error {
		return postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
			if err := bump(ctx, db, 1); err != nil {
				return err
			}
			after(ctx, "outer")
			inner := postgres.InTx(ctx, db, func(ctx context.Context, _ *gorm.DB) error {
				after(ctx, "inner")
				return bump(ctx, db, 2)
			})
			if len(ran) > 0 {
				t.Errorf("AfterCommit ran before the commit: %v", ran)
			}
			if n(t, db, 2) != 0 {
				t.Error("an inner transaction committed by itself")
			}
			return errors.Join(inner, fail)
		})
	}
	if err := work(errBroken); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if len(ran) > 0 || n(t, db, 1) != 0 || n(t, db, 2) != 0 {
		t.Errorf("rolled back: AfterCommit %v, n %d and %d", ran, n(t, db, 1), n(t, db, 2))
	}
	if err := work(nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ran, " "); got != "outer inner" || n(t, db, 1) != 1 || n(t, db, 2) != 1 {
		t.Errorf("committed: AfterCommit %q, n %d and %d; want both", got, n(t, db, 1), n(t, db, 2))
	}
	after(t.Context(), "none")
	if ran[len(ran)-1] != "none" {
		t.Error("without a transaction AfterCommit did not run at once")
	}
}

func TestAPanicRollsBack(t *testing.T) {
	db := postgrestest.Open(t, things)
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v, want the panic", r)
			}
		}()
		_ = postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
			if err := bump(ctx, db, 1); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	if n(t, db, 1) != 0 {
		t.Error("the work of a transaction that panicked was kept")
	}
}

// Two transactions update the same rows in opposite order: PostgreSQL aborts one, which is repeated. AfterCommit runs
// once for each.
func TestADeadlockIsRepeated(t *testing.T) {
	db := postgrestest.Open(t, things)
	var met sync.WaitGroup
	met.Add(2)
	var wg sync.WaitGroup
	runs, ran := [2]int{}, [2]int{}
	for i, order := range [][2]int{{1, 2}, {2, 1}} {
		wg.Go(func() {
			err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
				runs[i]++
				postgres.AfterCommit(ctx, db, func() { ran[i]++ })
				if err := bump(ctx, db, order[0]); err != nil {
					return err
				}
				if runs[i] == 1 { // each has updated one row before either updates the other
					met.Done()
					met.Wait()
				}
				return bump(ctx, db, order[1])
			})
			if err != nil {
				t.Errorf("transaction %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	// The repeated transaction may be faster than the other one and deadlock with it again.
	if runs[0]+runs[1] < 3 || ran != [2]int{1, 1} || n(t, db, 1) != 2 || n(t, db, 2) != 2 {
		t.Errorf("runs %v, AfterCommit %v, n %d and %d; want one repeated, both committed and AfterCommit once each", runs,
			ran, n(t, db, 1),
			n(t, db, 2))
	}
}

// cut breaks the connection of a transaction, as a restart of the server or a pooler does.
func cut(t *testing.T, db, tx *gorm.DB) {
	t.Helper()
	var pid int
	if err := tx.Raw("SELECT pg_backend_pid()").Scan(&pid).Error; err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("SELECT pg_terminate_backend(?, 5000)", pid).Error; err != nil {
		t.Fatal(err)
	}
}

// If the connection breaks before the commit was requested, nothing has happened, and the transaction is repeated. If
// it breaks during the commit, the outcome is unknown, and the caller must find out.
func TestATransactionIsRepeatedIfItsConnectionBreaksBeforeTheCommit(t *testing.T) {
	db := postgrestest.Open(t, things)
	for name, c := range map[string]struct {
		early       bool // the connection breaks before the work, not after it
		runs, bumps int
	}{"before": {true, 2, 1}, "after": {false, 1, 0}} {
		runs, was := 0, n(t, db, 1)
		err := postgres.InTx(t.Context(), db, func(ctx context.Context, tx *gorm.DB) error {
			runs++
			if runs == 1 && c.early {
				cut(t, db, tx)
			}
			err := bump(ctx, db, 1)
			if runs == 1 && !c.early {
				cut(t, db, tx)
			}
			return err
		})
		if (err == nil) != c.early || runs != c.runs || n(t, db, 1) != was+c.bumps {
			t.Errorf("%s: %v after %d runs, %d effects; want %d runs and %d", name, err, runs, n(t, db, 1)-was, c.runs, c.bumps)
		}
	}
}

// A restart of the server ends all connections, also idle ones in the pool. No request may get one of them.
func TestAnEndedConnectionIsNotUsed(t *testing.T) {
	db, other := postgrestest.Open(t, things), postgrestest.Open(t)
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		var held []*sql.Conn
		for range 4 { // so that some are idle afterwards
			c, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		for _, c := range held {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var name string
		if err := db.Raw("SELECT current_database()").Scan(&name).Error; err != nil {
			t.Fatal(err)
		}
		if err := other.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = ?",
			name).Error; err != nil {
			t.Fatal(err)
		}
		// This statement is outside InTx, so it is not repeated.
		if err := db.Exec("UPDATE things SET n = n WHERE id = 1").Error; err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func TestOtherErrorsAreNotRepeated(t *testing.T) {
	db := postgrestest.Open(t, things)
	runs := 0
	err := postgres.InTx(t.Context(), db, func(_ context.Context, tx *gorm.DB) error {
		runs++
		return tx.Exec("INSERT INTO things VALUES (1)").Error
	})
	if runs != 1 || !postgres.IsUnique(err, "things_pkey") || !postgres.IsUnique(err, "") ||
		postgres.IsUnique(err, "other") || postgres.IsCheck(err, "") {
		t.Errorf("a unique violation ran %d times: %v", runs, err)
	}
	err = db.Exec("UPDATE things SET n = -1").Error
	if !postgres.IsCheck(err, "things_n") || postgres.IsUnique(err, "") || postgres.IsCheck(nil, "") {
		t.Errorf("a check violation: %v", err)
	}
}

// If the database is unreachable, callers are told to retry. Errors that the database itself reports are not
// unavailability.
func TestIsUnavailableTellsOutagesFromErrors(t *testing.T) {
	db := postgrestest.Open(t, things)
	tx := db.Begin()
	defer tx.Rollback()
	cut(t, db, tx)
	ended := tx.Exec("SELECT 1").Error
	closed := tx.Exec("SELECT 1").Error
	_, refused := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:1")
	hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for what, c := range map[string]struct {
		err  error
		want bool
	}{
		"a connection that was broken": {ended, true},
		"its next use":                 {closed, true},
		"a server that is not running": {refused, true},
		"no answer in time":            {db.WithContext(hasty).Exec("SELECT pg_sleep(5)").Error, true},
		"a caller that cancelled":      {db.WithContext(gone).Exec("SELECT 1").Error, false},
		"a violation":                  {db.Exec("INSERT INTO things VALUES (1)").Error, false},
		"an invalid statement":         {db.Exec("SELECT nothing").Error, false},
		"nothing":                      {nil, false},
	} {
		if got := postgres.IsUnavailable(fmt.Errorf("wrapped: %w", c.err)); got != c.want ||
			(c.err == nil) != (what == "nothing") {
			t.Errorf("%s: %v: unavailable %v, want %v", what, c.err, got, c.want)
		}
	}
}

// Replicas of two versions start together: each file is applied once, in order.
func TestMigrationsRunOnce(t *testing.T) {
	db := postgrestest.Open(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), db, things); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	wg.Wait()
	var applied []int
	if err := db.Raw("SELECT version_id FROM schema_things WHERE version_id > 0 ORDER BY id").Scan(&applied).
		Error; err != nil {
		t.Fatal(err)
	}
	var what string
	if err := db.Raw("SELECT what FROM things WHERE id = 1").Scan(&what).Error; err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(applied, []int{1, 2}) || what != "a ? and a @name" {
		t.Errorf("applied %v, text %q", applied, what)
	}
}

// A database that was migrated before goose was used continues from its version, and its old files are not applied
// again.
func TestMigrationsContinueFromTheirOldTable(t *testing.T) {
	db := postgrestest.Open(t)
	err := db.Exec(`CREATE TABLE schema_migrations (name text NOT NULL, file text NOT NULL, applied_at timestamptz NOT NULL
		DEFAULT now(),
			PRIMARY KEY (name, file));
		INSERT INTO schema_migrations (name, file) VALUES ('things', '0001_things.sql'), ('others', '0001_others.sql');
		CREATE TABLE things (id bigint PRIMARY KEY)`).Error
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := postgres.Migrate(t.Context(), db, things); err != nil {
			t.Fatal(err)
		}
	}
	var applied []int
	if err := db.Raw("SELECT version_id FROM schema_things ORDER BY id").Scan(&applied).Error; err != nil ||
		!slices.Equal(applied, []int{0, 1, 2}) {
		t.Errorf("applied %v, %v; want 0, 1 and 2, each once", applied, err)
	}
	var columns []string
	if err := db.Raw("SELECT column_name FROM information_schema.columns WHERE table_name = 'things' ORDER BY 1").
		Scan(&columns).Error; err != nil ||
		!slices.Equal(columns, []string{"id", "what"}) {
		t.Errorf("columns %v, %v; want those of the old table and of the second file", columns, err)
	}
}

// While replicas wait for the one that migrates, it can build an index without locking the table.
func TestReplicasWaitWhileAnIndexIsBuilt(t *testing.T) {
	db := postgrestest.Open(t)
	index := postgres.Migrations{Name: "index", FS: fstest.MapFS{
		"0001_table.sql": {Data: []byte("-- +goose Up\nCREATE TABLE big AS SELECT i FROM generate_series(1, 100000) i;")},
		"0002_index.sql": {Data: []byte(
			"-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY big_i ON big (i);")},
	}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), db, index); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	wg.Wait()
	var valid bool
	if err := db.Raw("SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_i'::regclass").Scan(&valid).
		Error; err != nil || !valid {
		t.Errorf("valid %v, %v; want a valid index", valid, err)
	}
}

// The process that creates a database has the same session defaults as later ones: above all, a stalled session must
// not keep its locks.
func TestTheMigratingProcessHasTheSessionDefaults(t *testing.T) {
	if os.Getenv("MALL_TEST_PGBOUNCER_URL") != "" {
		t.Skip("PgBouncer keeps its sessions; new ones have the defaults (docs/runbook.md)")
	}
	db := postgrestest.Open(t)
	if err := postgres.Migrate(t.Context(), db, postgres.Defaults); err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{"idle_in_transaction_session_timeout": "15s",
		"plan_cache_mode": "force_generic_plan"} {
		var got string
		if err := db.Raw("SHOW " + setting).Scan(&got).Error; err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", setting, got, err, want)
		}
	}
}

// A migration file that fails changes nothing, and is tried again at the next start.
func TestAFailedMigrationChangesNothing(t *testing.T) {
	db := postgrestest.Open(t)
	set := func(second string) postgres.Migrations {
		return postgres.Migrations{Name: "parts", FS: fstest.MapFS{"migrations/0001_parts.sql": {Data: []byte(
			"-- +goose Up\nCREATE TABLE parts (id bigint);\n" + second)}}}
	}
	if err := postgres.Migrate(t.Context(), db, set("CREATE TABLE parts (id bigint);")); err == nil ||
		!strings.Contains(err.Error(), "parts/0001_parts.sql") {
		t.Errorf("a file that fails: %v, want its name", err)
	}
	if err := postgres.Migrate(t.Context(), db, set("CREATE TABLE other (id bigint);")); err != nil {
		t.Errorf("once it is repaired: %v", err)
	}
}

func TestADSNStaysOutOfErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, dsn := range []string{"postgres://order:hunter2@127.0.0.1:1/order",
		"postgres://order:hunter2@127.0.0.1:bad/order"} {
		if _, err := postgres.Open(ctx, func() []string { return []string{dsn} }); err == nil ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("open: %v; want an error without the password", err)
		}
	}
}

// The password of a role changes while the process runs. While the secret has both passwords, no connection fails.
func TestAPasswordChangesWithoutFailedConnections(t *testing.T) {
	admin := postgrestest.Open(t)
	role := fmt.Sprintf("role_%d", time.Now().UnixNano())
	exec := func(format string, args ...any) {
		t.Helper()
		if err := admin.Exec(fmt.Sprintf(format, args...)).Error; err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE ROLE %s LOGIN PASSWORD 'old'", role)
	t.Cleanup(func() { admin.Exec("DROP ROLE " + role) })
	base, err := url.Parse(os.Getenv("MALL_TEST_POSTGRES_URL"))
	if err != nil {
		t.Fatal(err)
	}
	dsn := func(password string) string {
		u := *base
		u.User = url.UserPassword(role, password)
		return u.String()
	}
	var dsns atomic.Pointer[[]string]
	is := func(all ...string) { dsns.Store(&all) }
	is(dsn("old"))
	db, err := postgres.Open(t.Context(), func() []string { return *dsns.Load() })
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	connects := func(when string) {
		t.Helper()
		pool.SetMaxIdleConns(-1) // each statement opens a new connection
		if err := pool.PingContext(t.Context()); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	connects("before")
	is(dsn("old"), dsn("new"))
	connects("the next password is in the secret")
	exec("ALTER ROLE %s PASSWORD 'new'", role)
	connects("the password has changed")
	is(dsn("new"), dsn("old"))
	connects("the next password is the first in the secret")
	is(dsn("new"))
	connects("the old password is removed")
	is(dsn("old"))
	if err := pool.PingContext(t.Context()); err == nil {
		t.Error("connected with the old password")
	}
}
