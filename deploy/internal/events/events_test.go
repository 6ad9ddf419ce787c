package events

import (
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts"
)

// inboxes returns the tool with one database in the place of every service's.
func inboxes(t *testing.T) (*tool, *sql.DB, *strings.Builder) {
	t.Helper()
	server := os.Getenv("MALL_TEST_POSTGRES_URL")
	if server == "" {
		if testing.Short() {
			t.Skip("needs PostgreSQL")
		}
		t.Fatal("MALL_TEST_POSTGRES_URL is not set: run this by `go run ./deploy/mall test` or in its --shell")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("MALL_TEST_POSTGRES_URL is not a URL")
	}
	if q := u.Query(); q.Get("sslmode") == "" {
		q.Set("sslmode", "disable")
		u.RawQuery = q.Encode()
	}
	name := fmt.Sprintf("events_%d", os.Getpid())
	admin := open(t, u.String())
	run := func(db *sql.DB, query string) {
		t.Helper()
		if _, err := db.Exec(query); err != nil { //nolint:noctx // a test's
			t.Fatalf("%v\n%s", err, query)
		}
	}
	run(admin, "DROP DATABASE IF EXISTS "+name)
	run(admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { run(admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	db := open(t, u.String())
	for _, kit := range []string{"inbox", "outbox"} {
		// in the order of their names
		files, err := filepath.Glob(filepath.Join("..", "..", "..", "services", "kit", kit, "migrations", "*.sql"))
		if err != nil || len(files) == 0 {
			t.Fatalf("migrations of %s: %v, %v", kit, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			run(db, string(text))
		}
	}
	run(db, `INSERT INTO inbox (id, source, type, key, status, via, attempts, reason, next_try_at) VALUES
		('e1', 'order', 'mall.order.placed.v1', '5', 'parked', 'push', 3, 'no such product', now() + interval '1 hour'),
		('e2', 'order', 'mall.order.placed.v1', '6', 'parked', 'feed', 3, 'no such product', now() + interval '1 hour'),
		('e3', 'order', 'mall.order.placed.v1', '7', 'done', 'push', 1, '', NULL)`)
	run(db, `INSERT INTO outbox (id, topic, type, key, aggregate_version, payload)
		VALUES ('e1', 't', 'mall.order.placed.v1', '5', 1, '{}')`)
	var out strings.Builder
	tl := &tool{mall: running.Mall{Databases: map[string]string{}}, out: &out}
	for _, service := range contracts.Databases() {
		tl.mall.Databases[service] = u.String()
	}
	t.Cleanup(tl.close)
	return tl, db, &out
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestParkedEventsCanBeRetriedAndDropped(t *testing.T) {
	tl, db, out := inboxes(t)
	ctx := t.Context()
	row := func(id string) (status, reason string, due bool) {
		t.Helper()
		err := db.QueryRowContext(ctx,
			"SELECT status, reason, coalesce(next_try_at <= now(), false) FROM inbox WHERE id = $1", id).Scan(&status, &reason,
			&due)
		if err != nil {
			t.Fatal(err)
		}
		return status, reason, due
	}
	for _, args := range [][]string{{}, {"e3"}, {"nothing"}, {"e1", "user"}} {
		if err := tl.retry(ctx, args); err == nil {
			t.Errorf("retry %v was accepted", args)
		}
	}
	if err := tl.retry(ctx, []string{"e1", "cart"}); err != nil {
		t.Fatal(err)
	}
	if status, _, due := row("e1"); status != "parked" || !due {
		t.Errorf("after retry: %s, due %v; want parked and due", status, due)
	}
	if _, _, due := row("e2"); due {
		t.Error("retrying one event made another one due")
	}
	if err := tl.retry(ctx, []string{"--all"}); err != nil {
		t.Fatal(err)
	}
	if _, _, due := row("e2"); !due {
		t.Error("after retry --all: not due")
	}
	for _, args := range [][]string{{"e1"}, {"e1", "--reason", " "}, {"--reason", "x"}, {"e3", "--reason", "x"}} {
		if err := tl.drop(ctx, args); err == nil {
			t.Errorf("drop %v was accepted", args)
		}
	}
	if err := tl.drop(ctx, []string{"e1", "--reason", "ordered by hand", "cart"}); err != nil {
		t.Fatal(err)
	}
	if status, reason, _ := row("e1"); status != "dropped" || reason != "ordered by hand (was: no such product)" {
		t.Errorf("after drop: %s, %q", status, reason)
	}
	if err := tl.follow(ctx, "5"); err != nil {
		t.Fatal(err)
	}
	if err := tl.parked(ctx, "cart"); err != nil {
		t.Fatal(err)
	}
	if err := tl.counts(ctx); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"says mall.order.placed.v1", "not published yet", "dropped mall.order.placed.v1",
		"ordered by hand", "cart  e2", "3 tries", "events parked"} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q:\n%s", want, text)
		}
	}
	if err := tl.follow(ctx, "99"); err == nil {
		t.Error("an unknown event was followed without an error")
	}
}

func TestMovingCursors(t *testing.T) {
	tl, db, out := inboxes(t)
	ctx := t.Context()
	_, err := db.ExecContext(ctx, `UPDATE outbox SET pos = 5; UPDATE outbox_head SET pos = 5, purged_through = 4;
		INSERT INTO inbox_positions (source, type, pos, event_id, read_at, gone_pos, gone_at) VALUES
		('order', 'right', 5, 'e1', now(), NULL, NULL), ('order', 'beyond', 9, 'e9', now(), NULL, NULL), ('order', 'other', 5,
		'e5', now(), NULL, NULL),
		('order', 'new', NULL, '', NULL, NULL, NULL), ('user', 'lost', 5, 'e1', now(), 2, now())`)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"move"}, {"move", "cart", "order", "x"}, {"move", "cart", "order", "-1"},
		{"move", "user", "order", "1"},
		{"move", "cart", "stranger", "1"}, {"seen", "cart"}} {
		if err := tl.cursors(ctx, args); err == nil {
			t.Errorf("cursors %v was accepted", args)
		}
	}
	if err := tl.cursors(ctx, nil); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 3 && f[0] == "cart" {
			lines[f[2]] = line
		}
	}
	for event, want := range map[string]string{"right": "5", "beyond": "another history", "other": "another history",
		"new": "start", "lost": "EVENTS ARE MISSING after 2"} {
		if !strings.Contains(lines[event], want) || event == "right" && strings.Contains(lines[event], "history") {
			t.Errorf("cursor %s: %q, want %q", event, lines[event], want)
		}
	}
	for _, args := range [][]string{{"move", "cart", "order", "start"}, {"move", "cart", "user", "4"},
		{"seen", "cart", "user"}} {
		if err := tl.cursors(ctx, args); err != nil {
			t.Fatal(err)
		}
	}
	var left, moved int
	err = db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE source = 'order' AND (pos IS NOT NULL OR event_id <> '')),
		count(*) FILTER (WHERE source = 'user' AND pos = 4 AND gone_at IS NULL) FROM inbox_positions`).Scan(&left, &moved)
	if err != nil || left > 0 || moved != 1 {
		t.Errorf("%d cursors of order were not moved, %d of user were, %v", left, moved, err)
	}
}

// A command that does not exist is refused, with those that do.
func TestAnUnknownCommandIsRefused(t *testing.T) {
	err := Run(t.Context(), running.Mall{}, []string{"dorp"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "dorp") || !strings.Contains(err.Error(), "events parked") {
		t.Errorf("%v, want the commands", err)
	}
}
