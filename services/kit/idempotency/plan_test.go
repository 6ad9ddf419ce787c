package idempotency

import (
	"log/slog"
	"testing"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// There are many keys of two days: no statement reads all of them.
func TestNoStatementReadsAllKeys(t *testing.T) {
	_, db := open(t)
	err := db.Exec(`INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until, status, body)
		SELECT 1000 + i % 5000, 'k' || i, ''::bytea, i, now(), 201, '{}' FROM generate_series(1000, 999 + ?) i`,
		postgrestest.Rows(t)).Error
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("ANALYZE").Error; err != nil {
		t.Fatal(err)
	}
	watched := postgrestest.Watch(db)
	s, ctx := New(watched.DB, &fakeIDs{}, []byte("secret"), slog.New(slog.DiscardHandler)), t.Context()
	mustBegin(t, s, "7", "a", "{}")
	_, seen := s.Seen(ctx, "7", "a")
	finish := s.store(ctx, runOf("7", "a"), keyed.Answer{Status: 201, Body: []byte("{}")})
	mustBegin(t, s, "7", "a", "{}") // a repeat
	for what, err := range map[string]error{"seen": seen, "finish": finish, "release": s.release(ctx, runOf("7", "b")),
		"forget user": s.PurgeUser(ctx, "1007"),
		"purge":       old.Run(ctx, watched.DB)} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, found := range watched.WholeTables(t, "idempotency_keys") {
		t.Errorf("a statement reads all of %s", found)
	}
}
