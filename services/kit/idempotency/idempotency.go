// Package idempotency gives a repeated request one effect and one answer. A key stands for one request of a user. It
// has the id of the effect, chosen before anything happens, so that a run after a crash finds what the run before it
// did.
package idempotency

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/worker"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the table of keys.
var Migrations = postgres.Migrations{Name: "idempotency", FS: files}

const (
	// leaseFor is how long a run may take before another one may continue; the gateway gives up long before.
	leaseFor = 20 * time.Second
	keepFor  = 48 * time.Hour // the contract promises at least 24 h
)

// old removes keys that no contract covers any more.
var old = postgres.Purge{Table: "idempotency_keys", Column: "created_at", Age: keepFor}

// IDs makes effect ids.
type IDs interface{ Next() (string, error) }

// Store keeps keys in a service's database.
type Store struct {
	db      *gorm.DB
	ids     IDs
	secrets atomic.Pointer[[][]byte]
	log     *slog.Logger
}

// New makes a store; secret is the MAC key of fingerprints.
func New(db *gorm.DB, ids IDs, secret []byte, log *slog.Logger) *Store {
	s := &Store{db: db, ids: ids, log: log}
	s.SetSecrets(secret)
	return s
}

// SetSecrets replaces the MAC keys of fingerprints: new ones use current. Fingerprints of the others are accepted too:
// those from before a change, and those of replicas that have changed already.
func (s *Store) SetSecrets(current []byte, others ...[]byte) {
	all := append([][]byte{current}, others...)
	s.secrets.Store(&all)
}

// Fingerprint identifies a request without revealing it: one MAC per secret, the current one's first.
func (s *Store) Fingerprint(method, path string, body []byte) []byte {
	var all []byte
	for _, secret := range *s.secrets.Load() {
		h := hmac.New(sha256.New, secret)
		fmt.Fprintf(h, "%s %s\n", method, path)
		h.Write(body)
		all = h.Sum(all)
	}
	return all
}

// kept is the part of a fingerprint that is stored: the current secret's.
func kept(fingerprint []byte) []byte { return fingerprint[:min(len(fingerprint), sha256.Size)] }

// fits reports whether one of the secrets made the stored fingerprint.
func fits(keptOne, fingerprint []byte) bool {
	for part := range slices.Chunk(fingerprint, sha256.Size) {
		if bytes.Equal(keptOne, part) {
			return true
		}
	}
	return len(fingerprint) == 0 && len(keptOne) == 0
}

type row struct {
	EffectID    string
	Fingerprint []byte
	Record      []byte // of an older version
	Running     bool
	Status      *int
	Etag        string
	Body        []byte
}

var claimKey, finishKey = ClaimPart("true"), FinishPart("true")

const columns = "effect_id, fingerprint, record, lease_until > now() AS running, status, etag, body"

// Seen implements keyed.Runner.
func (s *Store) Seen(ctx context.Context, user, key string) (bool, error) {
	_, seen, err := postgres.One(ctx, s.db, func(one *int32) []any { return []any{one} },
		"SELECT 1 FROM idempotency_keys WHERE user_id = ? AND key = ?", user, key)
	return seen, err
}

// claim claims a key, in the transaction of ctx if there is one: for run if the key is new, else for another run with
// the effect id of the key. A key that was claimed with run's effect id already belongs to run.
func (s *Store) claim(ctx context.Context, run keyed.Run) (keyed.Run, *keyed.Answer, error) {
	// One statement for a new key, as almost every key is.
	claimed, err := postgres.Exec(ctx, s.db, claimKey, ClaimArgs(run)...)
	if err != nil {
		return run, nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	if claimed == 1 {
		return run, nil, nil
	}
	var now keyed.Run
	var replay *keyed.Answer
	err = postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		now = run
		var r row
		err := tx.Raw("SELECT "+columns+" FROM idempotency_keys WHERE user_id = ? AND key = ? FOR UPDATE", run.User,
			run.Key).Scan(&r).Error
		if err != nil {
			return fmt.Errorf("read idempotency key: %w", err)
		}
		// claimed a moment ago: by ClaimPart, or over a connection that broke before it could answer
		if r.EffectID == run.EffectID {
			return nil
		}
		if replay, err = r.answer(run.Fingerprint); err != nil || replay != nil {
			return err
		}
		now.EffectID, now.Fresh, now.Record = r.EffectID, false, r.Record
		return tx.Exec(`UPDATE idempotency_keys SET lease_until = now() + make_interval(secs => ?), status = NULL
			WHERE user_id = ? AND key = ?`, leaseFor.Seconds(), run.User, run.Key).Error
	})
	return now, replay, err
}

// answer returns the answer of a claimed key, nil if the request may run again.
func (r row) answer(fingerprint []byte) (*keyed.Answer, error) {
	switch {
	case !fits(r.Fingerprint, fingerprint):
		return nil, problem.New(problem.Invalid, "idempotency_key_reused",
			"This Idempotency-Key was used for another request.")
	case r.Status != nil && keyed.Kept(*r.Status): // older versions stored other statuses too
		return &keyed.Answer{Status: *r.Status, ETag: r.Etag, Body: r.Body, EffectID: r.EffectID, Replayed: true}, nil
	case r.Status == nil && r.Running:
		return nil, problem.New(problem.Conflict, keyed.InProgress,
			"The first request with this Idempotency-Key is still running.").After(time.Second)
	}
	return nil, nil
}

// store stores the answer of a run, in the transaction of ctx if there is one. The first answer stays. An answer that
// is not Kept ends the run like release.
func (s *Store) store(ctx context.Context, run keyed.Run, a keyed.Answer) error {
	if !keyed.Kept(a.Status) {
		return s.release(ctx, run)
	}
	_, err := postgres.Exec(ctx, s.db, finishKey, FinishArgs(run, a)...)
	return err
}

// release ends a run without storing an answer, so that the next try runs at once, with the same effect id. It does
// nothing to a key that has another effect id.
func (s *Store) release(ctx context.Context, run keyed.Run) error {
	_, err := postgres.Exec(ctx, s.db, "UPDATE idempotency_keys SET lease_until = now() WHERE user_id = ? AND key = ? "+
		"AND effect_id = ? AND status IS NULL", run.User, run.Key, run.EffectID)
	return err
}

// PurgeUser empties records and answers of a deleted account: they may contain personal data. The keys and effect ids
// stay until they are purged by age.
func (s *Store) PurgeUser(ctx context.Context, user string) error {
	err := postgres.DB(ctx, s.db).Exec(`UPDATE idempotency_keys SET record = CASE WHEN record IS NOT NULL THEN '{}' END,
		body = CASE WHEN position('"id":"' || effect_id || '"' IN body) > 0 THEN '{"id":"' || effect_id || '"}'
		WHEN body IS NOT NULL THEN '{}' END
		WHERE user_id = ?`, user).Error
	if err != nil {
		return fmt.Errorf("forget keys of an account: %w", err)
	}
	return nil
}

// Run purges old keys until ctx ends.
func (s *Store) Run(ctx context.Context) {
	purge := func(ctx context.Context) error { return old.Run(ctx, s.db) }
	worker.Loop{Name: "idempotency purge", Log: s.log, Every: worker.Pause(time.Hour), Work: purge}.Run(ctx)
}
