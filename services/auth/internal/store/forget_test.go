package store_test

import (
	"fmt"
	"slices"
	"testing"

	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// Rows that can have no effect any more are removed in batches; rows that may still be needed stay.
func TestForgetRemovesExpiredRows(t *testing.T) {
	db, s, _, _ := open(t)
	const old = 12_000 // more than two batches
	for _, sql := range []string{
		`INSERT INTO sessions (id, user_id, created_at) SELECT i, i, now() - interval '40 days'
			FROM generate_series(1, 20000) i`,
		fmt.Sprintf(`INSERT INTO refresh_tokens (hash, session_id, expires_at) SELECT sha256(i::text::bytea), i,
			now() + CASE WHEN i <= %d THEN interval '-2 days' ELSE interval '1 hour' END FROM generate_series(1, 20000) i`, old),
		`INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES ('rotated', 1, now() + interval '1 hour'),
			('yesterday''s', 2, now() - interval '23 hours')`,
		`INSERT INTO revocations (kind, subject, not_before, created_at, expires_at) SELECT 'user', i, now(), now(),
			now() + i * interval '1 minute' FROM generate_series(-9, 10) i`,
		`ANALYZE`,
	} {
		if err := db.Exec(sql).Error; err != nil {
			t.Fatal(err)
		}
	}
	plan := postgrestest.Explain(t, db, store.PurgeTokens, 86400, 5000, 86400)
	if slices.Contains(plan.Scans, "Seq Scan refresh_tokens") || slices.Contains(plan.Scans, "Seq Scan sessions") {
		t.Errorf("a batch reads whole tables: %v", plan.Scans)
	}
	for range 2 { // the second run has nothing to do
		if err := s.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for what, q := range map[string]struct {
		sql  string
		want int64
	}{
		"sessions that can be refreshed":       {"SELECT count(*) FROM sessions", 20000 - old + 2},
		"the one whose token was rotated":      {"SELECT count(*) FROM sessions WHERE id = 1", 1},
		"the one whose token has just expired": {"SELECT count(*) FROM sessions WHERE id = 2", 1},
		"tokens":                               {"SELECT count(*) FROM refresh_tokens", 20000 - old + 2},
		"revocations in force":                 {"SELECT count(*) FROM revocations", 10},
		"sessions without a token": {"SELECT count(*) FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM " +
			"refresh_tokens t WHERE t.session_id = s.id)", 0},
	} {
		var n int64
		if err := db.Raw(q.sql).Scan(&n).Error; err != nil || n != q.want {
			t.Errorf("%s: %d, %v, want %d", what, n, err, q.want)
		}
	}
}
