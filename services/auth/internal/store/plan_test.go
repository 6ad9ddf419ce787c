package store_test

import (
	"testing"
	"time"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// With many accounts and sessions, most of them ended, no statement reads a whole table.
func TestNoStatementReadsAllSessions(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	n := postgrestest.Rows(t)
	for _, sql := range []string{
		`INSERT INTO accounts (user_id, roles, banned, version) SELECT i, '["customer"]', false, 1
			FROM generate_series(1000, 999 + ?) i`,
		`INSERT INTO sessions (id, user_id, created_at, ended_at) SELECT i, i, now(), CASE WHEN i % 10 > 0 THEN now() END
			FROM generate_series(1000, 999 + ?) i`,
		`INSERT INTO refresh_tokens (hash, session_id, expires_at) SELECT sha256(i::text::bytea), i, now() + interval '1 day'
			FROM generate_series(1000, 999 + ?) i`,
		`INSERT INTO revocations SELECT 'session', i, now(), now() - make_interval(secs => i / 10.0),
			now() + make_interval(secs => 600 - i / 10.0)
			FROM generate_series(1000, 999 + ?) i`,
	} {
		if err := db.Exec(sql, n).Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Exec("ANALYZE").Error; err != nil {
		t.Fatal(err)
	}
	watched := postgrestest.Watch(db)
	s, ctx := store.New(watched.DB), t.Context()
	lifetimes := auth.Lifetimes{Refresh: time.Hour, Session: 3 * time.Hour}
	me := auth.Account{ID: "7", Roles: []string{"customer"}, Version: 1}
	token, next := []byte("first"), [][]byte{[]byte("second")}
	for _, do := range []struct {
		what string
		do   func() error
	}{
		{"open", func() error { _, _, err := s.Open(ctx, "1", me, token, lifetimes); return err }},
		{"rotate", func() error { _, err := s.Rotate(ctx, token, next, lifetimes, time.Minute); return err }},
		{"repeat", func() error { _, err := s.Rotate(ctx, token, next, lifetimes, time.Minute); return err }},
		{"list", func() error { _, err := s.List(ctx, "7", "2", 20, time.Hour); return err }},
		{"learn", func() error {
			revision, err := s.Revision(ctx, "7")
			if err != nil {
				return err
			}
			changed := me
			changed.PasswordID, changed.KeptSession, changed.Roles = "2", "1", []string{"customer", "seller"}
			_, err = s.Learn(ctx, changed, revision, time.Minute)
			return err
		}},
		{"doubt", func() error { return s.MarkDoubtful(ctx, "7", time.Minute) }},
		{"end", func() error { _, err := s.End(ctx, "7", "1", time.Minute); return err }},
		{"revocations", func() error { _, err := s.Revocations(ctx, time.Now(), "", 500); return err }},
		{"forget", func() error { return s.Purge(ctx) }},
	} {
		if err := do.do(); err != nil {
			t.Errorf("%s: %v", do.what, err)
		}
	}
	if watched.Seen() < 20 {
		t.Errorf("only %d statements were seen", watched.Seen())
	}
	for _, found := range watched.WholeTables(t, "accounts", "sessions", "refresh_tokens", "revocations") {
		t.Errorf("a statement reads all of %s", found)
	}
}
