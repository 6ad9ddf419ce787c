package store_test

import (
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/user"
)

// With many accounts, no statement reads a whole table.
func TestNoStatementReadsAllAccounts(t *testing.T) {
	db, _ := open(t)
	n := postgrestest.Rows(t)
	for _, sql := range []string{
		`INSERT INTO users (id, email, password_hash, roles, created_at, version)
			SELECT i, 'u' || i || '@example.org', 'hash', CASE WHEN i % 1000 = 0 THEN '["customer","admin"]'
			ELSE '["customer"]' END::jsonb, now(), 1
			FROM generate_series(1000, 999 + ?) i`,
		`INSERT INTO mail_requests (email, purpose) SELECT 'u' || i || '@example.org', 'verify'
			FROM generate_series(1000, 999 + ?) i`,
		`INSERT INTO mail_tokens (hash, user_id, purpose, email, expires_at)
			SELECT sha256(i::text::bytea), i, 'verify', '', now() + interval '1 day' FROM generate_series(1000, 999 + ?) i`,
		`INSERT INTO admin_appointments (secret_hash, user_id) SELECT sha256(i::text::bytea), i
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
	s, ctx := store.New(watched.DB, outbox.New(watched.DB, "user", nil, slog.Default())), t.Context()
	add(t, s, "1", "li@example.org")
	nothing := func(*user.User) (user.EventKind, error) { return 0, nil }
	for _, do := range []struct {
		what string
		do   func() error
	}{
		{"find", func() error { _, err := s.Find(ctx, "2000"); return err }},
		{"find by email", func() error { _, err := s.FindByEmail(ctx, "li@example.org"); return err }},
		{"list by email", func() error { _, err := s.List(ctx, []string{"li@example.org"}, "", 20); return err }},
		{"list by email, next page", func() error { _, err := s.List(ctx, []string{"li@example.org"}, "1", 20); return err }},
		{"list", func() error { _, err := s.List(ctx, nil, "2000", 20); return err }},
		{"list from the start", func() error { _, err := s.List(ctx, nil, "", 20); return err }},
		{"update", func() error { _, err := s.Update(ctx, "2001", nothing); return err }},
		{"demote", func() error {
			_, err := s.Update(ctx, "2000", func(u *user.User) (user.EventKind,
				error) {
				return u.SetRoles([]string{"customer"})
			})
			return err
		}},
		{"count admins", func() error { _, err := s.CountAdmins(ctx); return err }},
		{"appoint", func() error { _, _ = s.Appoint(ctx, "1", []byte("secret")); return nil }}, // refused: there are admins
		{"mail", func() error {
			if err := s.AskMail(ctx, "li@example.org", user.Verify); err != nil {
				return err
			}
			r, err := s.NextMail(ctx)
			if err != nil {
				return err
			}
			if err := s.MailLater(ctx, r.ID, time.Minute); err != nil {
				return err
			}
			return s.MailDone(ctx, r.ID)
		}},
		{"tokens", func() error {
			if _, err := s.AddToken(ctx, "1", "li@example.org", user.Verify, []byte("hash"), time.Hour, 5); err != nil {
				return err
			}
			if _, err := s.FindToken(ctx, user.Verify, []byte("hash")); err != nil {
				return err
			}
			_, err := s.UseToken(ctx, user.Verify, []byte("hash"),
				func(u *user.User, _ string) (user.EventKind, error) { return nothing(u) })
			return err
		}},
		{"forget mail", func() error { return s.ForgetMail(ctx) }},
		{"delete", func() error { _, err := s.Delete(ctx, "1", func(*user.User) error { return nil }); return err }},
	} {
		if err := do.do(); err != nil {
			t.Errorf("%s: %v", do.what, err)
		}
	}
	if watched.Seen() < 20 {
		t.Errorf("only %d statements were seen", watched.Seen())
	}
	for _, found := range watched.WholeTables(t, "users", "mail_requests", "mail_tokens", "admin_appointments") {
		t.Errorf("a statement reads all of %s", found)
	}
}
