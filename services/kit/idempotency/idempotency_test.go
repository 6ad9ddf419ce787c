package idempotency

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

type fakeIDs struct{ n atomic.Int64 }

func (c *fakeIDs) Next() (string, error) { return strconv.FormatInt(c.n.Add(1), 10), nil }

func open(t *testing.T) (*Store, *gorm.DB) {
	t.Helper()
	db := postgrestest.Open(t, Migrations)
	return New(db, &fakeIDs{}, []byte("secret"), slog.New(slog.DiscardHandler)), db
}

// claim is what a request gets: the right to run, or a stored answer.
type claim struct {
	keyed.Run
	Answer *keyed.Answer
}

func begin(t *testing.T, s *Store, user, key, body string) (claim, error) {
	t.Helper()
	return beginAt(t.Context(), s, user, key, "/v1/things", body)
}

func beginAt(ctx context.Context, s *Store, user, key, path, body string) (claim, error) {
	id, err := s.ids.Next()
	if err != nil {
		return claim{}, err
	}
	run, replay, err := s.claim(ctx, keyed.Run{Request: keyed.Request{User: user, Key: key,
		Fingerprint: s.Fingerprint("POST", path, []byte(body))}, EffectID: id, Fresh: true})
	return claim{run, replay}, err
}

func mustBegin(t *testing.T, s *Store, user, key, body string) claim {
	t.Helper()
	c, err := begin(t, s, user, key, body)
	if err != nil {
		t.Fatalf("begin %s %.20s: %v", user, key, err)
	}
	return c
}

func runOf(user, key string) keyed.Run {
	return keyed.Run{Request: keyed.Request{User: user, Key: key}, EffectID: "1"} // of the first claim
}

// expire ends the leases of all runs, as time does after a crash.
func expire(t *testing.T, db *gorm.DB) {
	t.Helper()
	if err := db.Exec("UPDATE idempotency_keys SET lease_until = now() - interval '1 second'").Error; err != nil {
		t.Fatal(err)
	}
}

func TestOfConcurrentDuplicatesOneRuns(t *testing.T) {
	s, _ := open(t)
	var fresh, busy atomic.Int64
	var effect atomic.Value
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			c, err := begin(t, s, "7", "k", "{}")
			switch {
			case err == nil && c.Fresh && c.Answer == nil:
				fresh.Add(1)
				effect.Store(c.EffectID)
			case problem.CodeOf(err) == "request_in_progress" && problem.KindOf(err) == problem.Conflict:
				busy.Add(1)
			default:
				t.Errorf("begin: %+v, %v", c, err)
			}
		})
	}
	wg.Wait()
	if fresh.Load() != 1 || busy.Load() != 19 {
		t.Fatalf("%d ran, %d got request_in_progress; want 1 and 19", fresh.Load(), busy.Load())
	}
	if err := s.store(t.Context(), runOf("7", "k"), keyed.Answer{Status: 201, ETag: `"1"`,
		Body: []byte(`{"id":"1"}`)}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c := mustBegin(t, s, "7", "k", "{}")
		if c.Answer == nil || c.Answer.EffectID != effect.Load() || !c.Answer.Replayed || c.Answer.Status != 201 ||
			c.Answer.ETag != `"1"` ||
			string(c.Answer.Body) != `{"id":"1"}` {
			t.Errorf("after the answer: %+v, want it replayed", c)
		}
	}
}

func TestAKeyBelongsToOneRequestOfOneUser(t *testing.T) {
	s, _ := open(t)
	first := mustBegin(t, s, "7", "k", `{"n":1}`)
	if c, err := begin(t, s, "7", "k", `{"n":2}`); problem.CodeOf(err) != "idempotency_key_reused" ||
		problem.KindOf(err) != problem.Invalid {
		t.Errorf("another body: %+v, %v; want idempotency_key_reused", c, err)
	}
	if _, err := beginAt(t.Context(), s, "7", "k", "/v1/others",
		`{"n":1}`); problem.CodeOf(err) != "idempotency_key_reused" {
		t.Errorf("another route: %v, want idempotency_key_reused", err)
	}
	if c := mustBegin(t, s, "8", "k", `{"n":2}`); !c.Fresh || c.EffectID == first.EffectID {
		t.Errorf("another user: %+v, want a run of its own", c)
	}
	if err := s.store(t.Context(), runOf("7", "k"), keyed.Answer{Status: 409}); err != nil {
		t.Fatal(err)
	}
	if _, err := begin(t, s, "7", "k", `{"n":2}`); problem.CodeOf(err) != "idempotency_key_reused" {
		t.Errorf("another body after the answer: %v, want idempotency_key_reused", err)
	}
}

// After a crash between beginning and finishing, the next run has the same effect id, so it finds what the first one
// made.
func TestARunAfterACrashHasTheSameEffect(t *testing.T) {
	s, db := open(t)
	first := mustBegin(t, s, "7", "k", "{}")
	if _, err := begin(t, s, "7", "k", "{}"); problem.CodeOf(err) != "request_in_progress" {
		t.Errorf("while the lease lasts: %v, want request_in_progress", err)
	}
	expire(t, db)
	second := mustBegin(t, s, "7", "k", "{}")
	if second.Fresh || second.Answer != nil || second.EffectID != first.EffectID {
		t.Errorf("after the lease: %+v, want a run with effect %s", second, first.EffectID)
	}
	if _, err := begin(t, s, "7", "k", "{}"); problem.CodeOf(err) != "request_in_progress" {
		t.Errorf("the second run has no lease: %v", err)
	}
	if err := s.release(t.Context(), runOf("7", "k")); err != nil {
		t.Fatal(err)
	}
	if third := mustBegin(t, s, "7", "k", "{}"); third.Fresh || third.EffectID != first.EffectID {
		t.Errorf("after a release: %+v, want effect %s at once", third, first.EffectID)
	}
}

// Two runs of one key may overlap after the first one's lease has ended: the first answer is stored.
func TestTheFirstAnswerStays(t *testing.T) {
	s, db := open(t)
	mustBegin(t, s, "7", "k", "{}")
	expire(t, db)
	mustBegin(t, s, "7", "k", "{}")
	for _, status := range []int{201, 409} {
		if err := s.store(t.Context(), runOf("7", "k"), keyed.Answer{Status: status}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.release(t.Context(), runOf("7", "k")); err != nil {
		t.Fatal(err)
	}
	if c := mustBegin(t, s, "7", "k", "{}"); c.Answer == nil || c.Answer.Status != 201 {
		t.Errorf("answer %+v, want 201", c.Answer)
	}
}

// If the connection breaks during a run, its key is still released or keeps its answer. Otherwise the client, which was
// told to retry, would get request_in_progress until the lease ends.
func TestAKeyIsReleasedDespiteABrokenConnection(t *testing.T) {
	s, db := open(t)
	other := postgrestest.Open(t) // on the same server
	breakAll := func() {
		t.Helper()
		if err := other.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = ?",
			db.Migrator().CurrentDatabase()).Error; err != nil {
			t.Fatal(err)
		}
	}
	first := mustBegin(t, s, "7", "k", "{}")
	breakAll()
	if err := s.release(t.Context(), runOf("7", "k")); err != nil {
		t.Errorf("release: %v", err)
	}
	if c := mustBegin(t, s, "7", "k", "{}"); c.Fresh || c.EffectID != first.EffectID {
		t.Errorf("after the release: %+v, want the same effect", c)
	}
	breakAll()
	if err := s.store(t.Context(), runOf("7", "k"), keyed.Answer{Status: 201, Body: []byte("{}")}); err != nil {
		t.Errorf("finish: %v", err)
	}
	if c := mustBegin(t, s, "7", "k", "{}"); c.Answer == nil {
		t.Errorf("after the end: %+v, want the answer", c)
	}
}

func TestLongKeysAreDistinguished(t *testing.T) {
	s, _ := open(t)
	long := strings.Repeat("x", 254)
	a, b := mustBegin(t, s, "7", long+"a", "{}"), mustBegin(t, s, "7", long+"b", "{}")
	if !a.Fresh || !b.Fresh || a.EffectID == b.EffectID {
		t.Errorf("two keys of 255 characters: %+v, %+v", a, b)
	}
}

// Bodies contain card numbers, so the table stores only a keyed hash.
func TestFingerprintsAreKeyedHashes(t *testing.T) {
	a, b := New(nil, nil, []byte("one"), nil), New(nil, nil, []byte("two"), nil)
	body := []byte(`{"number":"4242424242424242"}`)
	if bytes.Equal(a.Fingerprint("POST", "/p", body), b.Fingerprint("POST", "/p", body)) {
		t.Error("the fingerprint does not depend on the secret, so card numbers could be guessed")
	}
	if bytes.Contains(a.Fingerprint("POST", "/p", body), []byte("4242")) {
		t.Error("the fingerprint contains the body")
	}
}

// A 401 that an earlier version stored is not replayed: the request runs again, with the same effect id.
func TestAStored401IsNotReplayed(t *testing.T) {
	s, db := open(t)
	first := mustBegin(t, s, "7", "k", "{}")
	if err := db.Exec("UPDATE idempotency_keys SET status = 401, body = '{}'").Error; err != nil {
		t.Fatal(err)
	}
	again := mustBegin(t, s, "7", "k", "{}")
	if again.Answer != nil || again.EffectID != first.EffectID {
		t.Fatalf("claim %+v, want a run with effect %s", again, first.EffectID)
	}
	if _, err := begin(t, s, "7", "k", "{}"); problem.CodeOf(err) != "request_in_progress" {
		t.Errorf("a concurrent request: %v, want request_in_progress", err)
	}
	if err := s.store(t.Context(), runOf("7", "k"), keyed.Answer{Status: 200}); err != nil {
		t.Fatal(err)
	}
	if c := mustBegin(t, s, "7", "k", "{}"); c.Answer == nil || c.Answer.Status != 200 {
		t.Errorf("answer %+v, want 200", c.Answer)
	}
}

// The secret changes at one replica after the other while requests are repeated: each replica recognises keys that
// another has stored.
func TestRepeatsAreRecognisedDuringARotationOfTheSecret(t *testing.T) {
	here, db := open(t)
	there := New(db, &fakeIDs{}, []byte("secret"), slog.New(slog.DiscardHandler))
	answered := func(s *Store, what, key, body string, want bool) {
		t.Helper()
		c, err := begin(t, s, "7", key, body)
		if err != nil || (c.Answer != nil) != want {
			t.Errorf("%s: %+v, %v; want answered %v", what, c, err, want)
		}
	}
	ask := func(s *Store, key string) {
		t.Helper()
		answered(s, "new "+key, key, "{}", false)
		if err := s.store(t.Context(), runOf("7", key), keyed.Answer{Status: 201}); err != nil {
			t.Fatal(err)
		}
	}
	ask(here, "before")
	here.SetSecrets([]byte("secret"), []byte("next")) // first all replicas learn the next secret
	there.SetSecrets([]byte("secret"), []byte("next"))
	here.SetSecrets([]byte("next"), []byte("secret")) // then one after the other uses it
	ask(here, "new secret")
	ask(there, "old secret")
	for _, s := range []*Store{here, there} {
		for _, key := range []string{"before", "new secret", "old secret"} {
			answered(s, key, key, "{}", true)
			if _, err := begin(t, s, "7", key, "{1}"); problem.CodeOf(err) != "idempotency_key_reused" {
				t.Errorf("%s with another body: %v", key, err)
			}
		}
	}
}

func TestNothingIsKeptOfADeletedUser(t *testing.T) {
	s, db := open(t)
	for _, user := range []string{"7", "8"} {
		mustBegin(t, s, user, "k", "{}")
		if err := db.Exec(`UPDATE idempotency_keys SET record = '{"name":"Wei"}' WHERE key = 'k' AND user_id = ?`,
			user).Error; err != nil { // stored by an older version
			t.Fatal(err)
		}
		if err := s.store(t.Context(), runOf(user, "k"),
			keyed.Answer{Status: 201, Body: []byte(`{"name":"Wei"}`)}); err != nil {
			t.Fatal(err)
		}
		mustBegin(t, s, user, "under way", "{}")
		made := mustBegin(t, s, user, "made", "{}").EffectID
		if err := s.store(t.Context(), runOf(user, "made"), keyed.Answer{Status: 201,
			Body: []byte(`{"id":"` + made + `","name":"Wei"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PurgeUser(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	var left []string
	if err := db.Raw("SELECT user_id || coalesce(record, '-') || coalesce(body, '-') FROM idempotency_keys ORDER BY 1").
		Scan(&left).Error; err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(left, " "); strings.Count(got, "Wei") != 3 ||
		!strings.HasPrefix(got, `7-- 7-{"id":"3"} 7{}{} 8--`) {
		t.Errorf("left %s", got)
	}
}

func TestARequestWithoutAKeyNeedsNoStore(t *testing.T) {
	s := New(nil, &fakeIDs{}, nil, nil)
	for _, id := range []string{"1", "2"} {
		a, err := s.Do(t.Context(), keyed.Request{User: "7"}, keyed.Once(
			func(_ context.Context, run keyed.Run) (string, error) { return run.User + run.EffectID, nil },
			func(v string) (keyed.Answer, error) { return keyed.JSON(201, v) }))
		if err != nil || a.EffectID != id || string(a.Body) != `"7`+id+`"` || a.Status != 201 || a.Replayed {
			t.Errorf("%+v, %v, want the effect %s", a, err, id)
		}
	}
}

// Runs get the record that an older version stored with the key.
func TestARunGetsTheRecordOfAnOlderVersion(t *testing.T) {
	s, db := open(t)
	first := mustBegin(t, s, "7", "k", "{}")
	if err := db.Exec(`UPDATE idempotency_keys SET record = '{"n":1}'`).Error; err != nil {
		t.Fatal(err)
	}
	expire(t, db)
	if c := mustBegin(t, s, "7", "k", "{}"); string(c.Record) != `{"n":1}` || c.Fresh || c.EffectID != first.EffectID {
		t.Errorf("%+v, want the record", c)
	}
	for key, want := range map[string]bool{"k": true, "other": false} {
		if seen, err := s.Seen(t.Context(), "7", key); err != nil || seen != want {
			t.Errorf("seen %s: %v, %v", key, seen, err)
		}
	}
}

// However many keys there are, a batch reads only those that it removes, through the index on their age.
func TestRetentionReadsOnlyWhatItRemoves(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	err := db.Exec(`INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until, created_at)
		SELECT 7, n, '', n, now(), now() - CASE WHEN n <= 12000 THEN interval '49 hours' ELSE interval '1 hour' END
		FROM generate_series(1, 60000) n`).Error
	if err == nil {
		err = db.Exec("ANALYZE idempotency_keys").Error
	}
	if err != nil {
		t.Fatal(err)
	}
	statement, args := old.SQL()
	plan := postgrestest.Explain(t, db, statement, args...)
	if !slices.Equal(plan.Scans, []string{"Index Scan idempotency_keys", "Tid Scan idempotency_keys"}) ||
		plan.Rows > 2*5000 {
		t.Errorf("one batch reads %v rows by %v; want at most twice 5,000, by the index", plan.Rows, plan.Scans)
	}
	if err := old.Run(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.Raw("SELECT count(*) FROM idempotency_keys").Scan(&left).Error; err != nil || left != 48000 {
		t.Errorf("%d keys are left, %v; want the 48,000 young ones", left, err)
	}
}
