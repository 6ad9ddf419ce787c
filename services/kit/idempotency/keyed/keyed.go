// Package keyed describes requests with an Idempotency-Key to the use cases that run them. It knows neither HTTP nor
// the database; idempotency.Store runs the steps.
package keyed

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"daprmall.dev/services/kit/problem"
)

// Request is a user's request with its key, "" if the user sent none.
type Request struct {
	User, Key   string
	Fingerprint []byte
}

// Run is one run of a request: the first one, or one after a run that ended without an answer.
type Run struct {
	Request
	EffectID string // the id of what the request creates, the same in every run
	Fresh    bool   // the first run: nothing can have happened yet
	Record   []byte // what the first run of an older version committed with the key
}

// Answer is the answer to a request. Later requests with the key get it, too.
type Answer struct {
	Status   int
	ETag     string
	Body     []byte
	Refusal  error  // why it refuses; Status and Body are made from it
	Replayed bool   // an earlier run gave it
	EffectID string // of the run that gave it
}

// JSON is an answer that shows v.
func JSON(status int, v any) (Answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Answer{}, fmt.Errorf("encode the answer of a request: %w", err)
	}
	return Answer{Status: status, Body: body}, nil
}

// Created is the answer of a request that created something.
func Created(body []byte) Answer { return Answer{Status: http.StatusCreated, Body: body} }

// Refuse is the answer of a request that is refused.
func Refuse(why error) Answer { return Answer{Refusal: why} }

// Advise adds to a refusal what the client must do: the key always gets this answer, also when the reason has gone.
func Advise(doc problem.Document) problem.Document {
	if Kept(doc.Status) && doc.Code != InProgress && !strings.Contains(doc.Detail, "Idempotency-Key") {
		doc.Detail += " To try again, send a new Idempotency-Key."
	}
	return doc
}

// InProgress is the code of the refusal of a key whose first run has not ended. It is not stored.
const InProgress = "request_in_progress"

// Work is the steps of a request; all but Act may be nil. A definite error of Begin or Act refuses the request, and the
// refusal is stored as its answer. Any other error ends the run without an answer: a repeat of the request runs again,
// with the same effect id.
type Work struct {
	// BeginNew begins a request whose key is new, by one statement that also claims the key (idempotency.ClaimPart). If
	// it returns false it has begun nothing, and Begin does it; the key may be claimed, with the run's effect id. An
	// error ends the run.
	BeginNew func(ctx context.Context, run Run) (begun bool, err error)
	// Begin commits what a later run must find, in one transaction with the claim; for a run that is not fresh it looks
	// up what was committed. The transaction may be repeated.
	Begin func(ctx context.Context, run Run) error
	// Act has the effect, in no transaction. The process may die at any point of it.
	Act func(ctx context.Context, run Run) (Answer, error)
	// FinishNew commits the outcome of Act by one statement that also stores the answer (idempotency.FinishPart), which
	// may be another one than that of Act. If it returns none it has committed nothing, and Finish does it.
	FinishNew func(ctx context.Context, run Run, a Answer) (*Answer, error)
	// Finish commits the outcome of Act in one transaction with the answer, which may be another one than that of Act.
	// An error undoes both. The transaction may be repeated.
	Finish func(ctx context.Context, run Run, a Answer) (Answer, error)
}

// Once is the work of a request that needs no more of its key than the id of its effect. encode writes what act
// returns.
func Once[T any](act func(ctx context.Context, run Run) (T, error), encode func(T) (Answer, error)) Work {
	return Work{Act: func(ctx context.Context, run Run) (Answer, error) {
		v, err := act(ctx, run)
		if err != nil {
			return Answer{}, err
		}
		return encode(v)
	}}
}

// Runner runs requests with a key.
type Runner interface {
	// Do gives a request one effect and one answer: it claims the key, does the work and stores the answer, or returns
	// the answer that an earlier run has stored. It refuses a key that was used for another request
	// (idempotency_key_reused) and one whose first run has not ended (request_in_progress). Of a request without a key
	// only Act is run, with a new effect id.
	Do(ctx context.Context, r Request, w Work) (Answer, error)
	// Seen reports whether a key was claimed before, by whatever request.
	Seen(ctx context.Context, user, key string) (bool, error)
}

// Definite reports whether an error is an answer. Anything that may still take effect, or may be tried again, is not;
// nor is a refused token or caller: whoever refuses those has not looked.
func Definite(err error) bool { return Kept(problem.Status(problem.KindOf(err))) }

// Kept reports whether an answer with this status is stored for replay. Results of the request are; statuses that say
// it could not be handled now are not: 401 and 403 concern the caller's token, which may have expired on the way to a
// peer or may lack a role that the next one has; 408, 425, 429 and 5xx ask to come again.
func Kept(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooEarly,
		http.StatusTooManyRequests:
		return false
	}
	return status < http.StatusInternalServerError
}
