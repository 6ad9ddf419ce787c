package server

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

type fakeIDs struct{ n atomic.Int64 }

func (c *fakeIDs) Next() (string, error) { return strconv.FormatInt(c.n.Add(1), 10), nil }

// openIdempotent is a server that makes a thing for each POST unless next says otherwise; it counts the runs and their
// effects.
func openIdempotent(t *testing.T) (d *testServer, db *gorm.DB, runs *atomic.Int64, next *func() (keyed.Answer, error)) {
	t.Helper()
	d = open(t)
	db = postgrestest.Open(t, idempotency.Migrations)
	store := idempotency.New(db, &fakeIDs{}, []byte("secret"), slog.New(slog.DiscardHandler))
	runs, next = &atomic.Int64{}, new(func() (keyed.Answer, error))
	d.s.POST("/things", as("7"), Handle(func(c *gin.Context) error {
		key, err := Keyed(c, store)
		if err != nil {
			return err
		}
		var in struct {
			N int `json:"n"`
		}
		if err := web.Bind(c, &in); err != nil {
			return err
		}
		answer, err := store.Do(c.Request.Context(), key, keyed.Work{
			Act: func(_ context.Context, run keyed.Run) (keyed.Answer, error) {
				runs.Add(1)
				if *next != nil {
					return (*next)()
				}
				a, err := keyed.JSON(http.StatusCreated, gin.H{"id": run.EffectID, "n": in.N})
				a.ETag = web.ETag(1)
				return a, err
			}})
		return WriteCreated(c, answer, err)
	}))
	return d, db, runs, next
}

func TestARepeatGetsTheFirstAnswer(t *testing.T) {
	d, _, runs, _ := openIdempotent(t)
	first := d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: k")
	first.want(t, "first", 201, "")
	again := d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: k")
	if again.status != 201 || again.body != first.body || again.header.Get("ETag") != `"1"` ||
		again.header.Get("Location") != "/things/1" || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("again: %d %v %s, want the first answer, %s", again.status, again.header, again.body, first.body)
	}
	if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" ||
		runs.Load() != 1 {
		t.Errorf("replayed %q then %q, %d runs", first.header.Get("Idempotent-Replayed"),
			again.header.Get("Idempotent-Replayed"), runs.Load())
	}
	d.ask("POST", "/things", `{"n":2}`, "Idempotency-Key: k").want(t, "another body", 422, "idempotency_key_reused")
	if other := d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: k", "X-User: 8"); other.status != 201 ||
		other.body == first.body {
		t.Errorf("another user's key: %d %s, want another thing", other.status, other.body)
	}
	if a, b := d.ask("POST", "/things", `{"n":1}`), d.ask("POST", "/things", `{"n":1}`); a.body == b.body {
		t.Errorf("without a key: %s twice", a.body)
	}
}

// With a key, a plain route needs two more statements, each its own transaction.
func TestAKeyCostsTwoStatements(t *testing.T) {
	d := open(t)
	watched := postgrestest.Watch(postgrestest.Open(t, idempotency.Migrations))
	store := idempotency.New(watched.DB, &fakeIDs{}, []byte("secret"), slog.New(slog.DiscardHandler))
	d.s.POST("/things", as("7"), Handle(func(c *gin.Context) error {
		key, err := Keyed(c, store)
		if err != nil {
			return err
		}
		answer, err := store.Do(c.Request.Context(), key, keyed.Work{
			Act: func(context.Context, keyed.Run) (keyed.Answer, error) { return keyed.Answer{Status: 204}, nil }})
		return WriteAnswer(c, answer, err)
	}))
	d.ask("POST", "/things", "{}", "Idempotency-Key: k").want(t, "with a key", 204, "")
	d.ask("POST", "/things", "{}").want(t, "without a key", 204, "")
	if n := watched.Runs(); n != 2 {
		t.Errorf("%d statements, want 2", n)
	}
}

func TestConcurrentDuplicatesHaveOneEffect(t *testing.T) {
	d, _, runs, next := openIdempotent(t)
	began, release := make(chan struct{}), make(chan struct{})
	*next = func() (keyed.Answer, error) {
		close(began)
		<-release
		return keyed.JSON(http.StatusCreated, gin.H{"id": "1"})
	}
	first := make(chan answer, 1)
	go func() { first <- d.ask("POST", "/things", `{}`, "Idempotency-Key: k") }()
	<-began
	var wg sync.WaitGroup
	for range 19 {
		wg.Go(func() {
			a := d.ask("POST", "/things", `{}`, "Idempotency-Key: k")
			if a.want(t, "while the first runs", 409, "request_in_progress"); a.header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		})
	}
	wg.Wait()
	close(release)
	if a := <-first; a.status != 201 {
		t.Errorf("the first: %d %s", a.status, a.body)
	}
	if a := d.ask("POST", "/things", `{}`, "Idempotency-Key: k"); a.status != 201 || runs.Load() != 1 {
		t.Errorf("after it: %d %s, %d runs", a.status, a.body, runs.Load())
	}
}

// Refusals are stored as answers; after an internal failure the request runs again with the same effect id.
func TestRefusalsAreReplayedFailuresAreNot(t *testing.T) {
	refuse := func(err error) func() (keyed.Answer, error) {
		return func() (keyed.Answer, error) { return keyed.Answer{}, err }
	}
	for what, c := range map[string]struct {
		fail  func() (keyed.Answer, error)
		first int
		stays bool
	}{
		"refused": {refuse(problem.New(problem.Conflict, "taken", "It is taken.")), 409, true},
		"invalid": {refuse(problem.Validation(problem.Field{Field: "n", Message: "is missing"})), 422, true},
		"no content": {func() (keyed.Answer, error) { return keyed.Answer{Status: http.StatusNoContent}, nil }, 204,
			true},
		"failed":      {refuse(errSecret), 500, false},
		"unavailable": {refuse(problem.NewUnavailable(errSecret, 0, "Not now.")), 503, false},
		"too many":    {refuse(problem.New(problem.TooManyRequests, "", "Slow down.")), 429, false},
		// Another service refused the token, which expired in between.
		"token expired": {refuse(problem.New(problem.Unauthenticated, "", "Sign in.")), 401, false},
		"role missing":  {refuse(problem.New(problem.Forbidden, "", "Not for you.")), 403, false},
		"panic":         {func() (keyed.Answer, error) { panic("boom") }, 500, false},
	} {
		t.Run(what, func(t *testing.T) {
			d, _, runs, next := openIdempotent(t)
			*next = c.fail
			first := d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: k")
			if first.status != c.first {
				t.Fatalf("first: %d %s, want %d", first.status, first.body, c.first)
			}
			*next = nil
			again := d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: k")
			if c.stays && (again.status != c.first || again.body != first.body ||
				again.header.Get("Content-Type") != first.header.Get("Content-Type") || runs.Load() != 1) {
				t.Errorf("again: %d %v %s, want %s", again.status, again.header, again.body, first.body)
			}
			if !c.stays && (again.status != 201 || again.body != `{"id":"1","n":1}`) {
				t.Errorf("again: %d %s, want the effect the first run would have had", again.status, again.body)
			}
		})
	}
}

// A run that was killed leaves its key leased. After the lease the next run makes the same thing.
func TestARunAfterACrashMakesTheSameThing(t *testing.T) {
	d, db, _, next := openIdempotent(t)
	*next = func() (keyed.Answer, error) { panic(http.ErrAbortHandler) } // the connection is gone, so nothing was answered
	func() {
		defer func() { _ = recover() }()
		d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: k")
	}()
	*next = nil
	if err := db.Exec("UPDATE idempotency_keys SET lease_until = now()").Error; err != nil {
		t.Fatal(err)
	}
	if a := d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: k"); a.status != 201 || a.body != `{"id":"1","n":1}` {
		t.Errorf("after the crash: %d %s, want thing 1", a.status, a.body)
	}
}

func TestKeysAreChecked(t *testing.T) {
	d, _, runs, _ := openIdempotent(t)
	for what, key := range map[string]string{"empty": "", "256 characters": strings.Repeat("x", 256),
		"not ASCII": "schlüssel", "tab": "a\tb"} {
		d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: "+key).want(t, what, 400, "idempotency_key_invalid")
	}
	d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: a", "Idempotency-Key: b").want(t, "two keys", 400,
		"idempotency_key_invalid")
	d.ask("POST", "/things", strings.Repeat(" ", web.MaxBody+1), "Idempotency-Key: k").want(t, "body too large", 413,
		"body_too_large")
	if runs.Load() != 0 {
		t.Errorf("%d runs of refused requests", runs.Load())
	}
	d.ask("POST", "/things", `{"n":1}`, "Idempotency-Key: "+strings.Repeat("x", 255)).want(t, "255 characters", 201, "")
	if code := problem.CodeOf(web.IdempotencyKeyRequired()); code != "idempotency_key_required" {
		t.Error(code)
	}
}
