package idempotency

import (
	"context"
	"errors"
	"testing"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

var (
	errDown  = problem.NewUnavailable(errors.New("no connection"), time.Second, "It is down.")
	errTaken = problem.New(problem.Conflict, "taken", "It is taken.")
)

func requestOf(s *Store) keyed.Request {
	return keyed.Request{User: "7", Key: "k", Fingerprint: s.Fingerprint("POST", "/v1/things", []byte("{}"))}
}

// creates is work that creates a thing with the run's effect id.
func creates(_ context.Context, run keyed.Run) (keyed.Answer, error) {
	return keyed.Created([]byte(`{"id":"` + run.EffectID + `"}`)), nil
}

func TestARequestHasOneEffectAndOneAnswer(t *testing.T) {
	_, db := open(t)
	watched := postgrestest.Watch(db)
	s := New(watched.DB, &fakeIDs{}, []byte("secret"), nil)
	gone, disconnect := context.WithCancel(t.Context())
	a, err := s.Do(gone, requestOf(s), keyed.Work{Act: func(ctx context.Context, run keyed.Run) (keyed.Answer, error) {
		disconnect()
		if ctx.Err() != nil || !run.Fresh {
			t.Errorf("the run ended with its client: %v, or is not the first: %+v", ctx.Err(), run)
		}
		return creates(ctx, run)
	}})
	if err != nil || a.Status != 201 || a.Replayed || watched.Runs() != 2 {
		t.Fatalf("%+v, %v, %d statements; want it created by 2", a, err, watched.Runs())
	}
	again, err := s.Do(t.Context(), requestOf(s), keyed.Work{})
	if err != nil || !again.Replayed || string(again.Body) != string(a.Body) || again.EffectID != "1" {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// A run that ends without an answer releases its key at once, and the next run has the same effect.
func TestARunWithoutAnAnswerReleasesItsKey(t *testing.T) {
	var claimAlone func(ctx context.Context, run keyed.Run) error
	down := func(context.Context, keyed.Run) (keyed.Answer, error) { return keyed.Answer{}, errDown }
	for what, w := range map[string]keyed.Work{
		"it failed":   {Act: down},
		"it panicked": {Act: func(context.Context, keyed.Run) (keyed.Answer, error) { panic("boom") }},
		"its answer is not stored": {Act: func(context.Context, keyed.Run) (keyed.Answer, error) {
			return keyed.Answer{Status: 503}, nil
		}},
		"finishing failed": {Act: creates,
			Finish: func(context.Context, keyed.Run, keyed.Answer) (keyed.Answer, error) {
				return keyed.Answer{}, errDown
			}},
		"beginning failed after the claim": {
			BeginNew: func(ctx context.Context, run keyed.Run) (bool, error) { return false, claimAlone(ctx, run) },
			Begin:    func(context.Context, keyed.Run) error { return errDown }},
		"finishing by one statement failed": {Act: creates,
			FinishNew: func(context.Context, keyed.Run, keyed.Answer) (*keyed.Answer, error) { return nil, errDown }},
	} {
		s, db := open(t)
		claimAlone = func(ctx context.Context, run keyed.Run) error {
			return db.WithContext(ctx).Exec(ClaimPart("true"), ClaimArgs(run)...).Error
		}
		func() {
			defer func() { _ = recover() }()
			if _, err := s.Do(t.Context(), requestOf(s), w); err != nil && !errors.Is(err, errDown) {
				t.Errorf("%s: %v", what, err)
			}
		}()
		a, err := s.Do(t.Context(), requestOf(s), keyed.Work{
			Act: func(ctx context.Context, run keyed.Run) (keyed.Answer, error) {
				if run.Fresh {
					t.Errorf("%s: the next run counts as the first", what)
				}
				return creates(ctx, run)
			}})
		if err != nil || string(a.Body) != `{"id":"1"}` || a.Replayed {
			t.Errorf("%s: the next run: %+v, %v; want thing 1", what, a, err)
		}
	}
}

// What a request does at its beginning commits together with its key, or not at all. A refusal is stored as an answer,
// an outage is not.
func TestBeginningCommitsWithTheKey(t *testing.T) {
	s, db := open(t)
	if err := db.Exec("CREATE TABLE begun (id bigint)").Error; err != nil {
		t.Fatal(err)
	}
	began := func() (n int) {
		if err := db.Raw("SELECT count(*) FROM begun").Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		return n
	}
	var fails error
	w := keyed.Work{Begin: func(ctx context.Context, run keyed.Run) error {
		if err := postgres.DB(ctx, db).Exec("INSERT INTO begun VALUES (?)", run.EffectID).Error; err != nil {
			return err
		}
		return fails
	}, Act: func(context.Context, keyed.Run) (keyed.Answer, error) { return keyed.Answer{}, errDown }}
	fails = errDown
	if _, err := s.Do(t.Context(), requestOf(s), w); !errors.Is(err, errDown) || began() != 0 {
		t.Errorf("an outage: %v, Begin called %d times", err, began())
	}
	if seen, err := s.Seen(t.Context(), "7", "k"); err != nil || seen {
		t.Errorf("an outage took the key: %v", err)
	}
	fails = nil
	if _, err := s.Do(t.Context(), requestOf(s), w); !errors.Is(err, errDown) || began() != 1 {
		t.Errorf("Begin: %v, called %d times", err, began())
	}
	fails = errTaken
	if _, err := s.Do(t.Context(), requestOf(s), w); !errors.Is(err, errTaken) {
		t.Errorf("refused: %v", err)
	}
	if a, err := s.Do(t.Context(), requestOf(s), w); err != nil || a.Status != 409 || !a.Replayed {
		t.Errorf("the refusal again: %+v, %v", a, err)
	}
}

// The single statement may begin a request, claim the key without beginning, or do nothing.
func TestBeginningByOneStatement(t *testing.T) {
	for what, c := range map[string]struct {
		claims, begins bool
		taken          bool // by a run that has crashed
		fresh          bool
	}{
		"it begins":              {claims: true, begins: true, fresh: true},
		"it only claims the key": {claims: true, fresh: true},
		"it does nothing":        {fresh: true},
		"the key is taken":       {taken: true},
		"taken at the same time": {claims: true, taken: true},
	} {
		s, db := open(t)
		if c.taken {
			mustBegin(t, s, "7", "k", "{}")
			expire(t, db)
		}
		began := false
		a, err := s.Do(t.Context(), requestOf(s), keyed.Work{
			BeginNew: func(ctx context.Context, run keyed.Run) (bool, error) {
				if c.claims {
					err := db.WithContext(ctx).Exec("WITH k AS ("+ClaimPart("true")+") SELECT 1",
						ClaimArgs(run)...).Error
					if err != nil {
						t.Fatal(err)
					}
				}
				return c.begins, nil
			},
			Begin: func(_ context.Context, run keyed.Run) error {
				if began = true; run.Fresh != c.fresh {
					t.Errorf("%s: begin %+v", what, run)
				}
				return nil
			},
			Act: creates})
		if err != nil || string(a.Body) != `{"id":"1"}` || began == c.begins {
			t.Errorf("%s: %+v, %v; in a transaction: %v", what, a, err, began)
		}
	}
}

// The outcome commits together with the answer, by one statement or in a transaction. This also holds for a failure
// that is not stored as an answer.
func TestFinishingCommitsWithTheAnswer(t *testing.T) {
	for what, c := range map[string]struct {
		quick  bool
		end    keyed.Answer
		err    error
		status int // of the stored answer, 0 for none
	}{
		"by one statement":             {quick: true, status: 202},
		"in a transaction":             {end: keyed.Created([]byte("{}")), status: 201},
		"a refusal":                    {end: keyed.Refuse(errTaken), err: errTaken, status: 409},
		"a failure that is not stored": {end: keyed.Refuse(errDown), err: errDown},
	} {
		s, db := open(t)
		if err := db.Exec("CREATE TABLE ended (id bigint)").Error; err != nil {
			t.Fatal(err)
		}
		_, err := s.Do(t.Context(), requestOf(s), keyed.Work{Act: creates,
			FinishNew: func(ctx context.Context, run keyed.Run, a keyed.Answer) (*keyed.Answer, error) {
				if !c.quick {
					return nil, errDown
				}
				a.Status = 202
				return &a, db.WithContext(ctx).Exec("WITH k AS ("+FinishPart("true")+") INSERT INTO ended VALUES (1)",
					FinishArgs(run, a)...).Error
			},
			Finish: func(ctx context.Context, _ keyed.Run, _ keyed.Answer) (keyed.Answer, error) {
				return c.end, postgres.DB(ctx, db).Exec("INSERT INTO ended VALUES (1)").Error
			}})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", what, err)
		}
		var kept struct{ Ended, Status int }
		if err := db.Raw(`SELECT (SELECT count(*) FROM ended) AS ended, (SELECT coalesce(status, 0) FROM idempotency_keys)
			AS status`).Scan(&kept).Error; err != nil || kept.Ended != 1 || kept.Status != c.status {
			t.Errorf("%s: stored %+v, %v", what, kept, err)
		}
	}
}
