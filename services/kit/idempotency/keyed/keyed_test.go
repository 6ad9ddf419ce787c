package keyed

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
)

func TestOnlyAnswersAreDefinite(t *testing.T) {
	for err, want := range map[error]bool{errors.New("bug"): false, context.Canceled: false,
		problem.Wrap(errors.New("no answer"), problem.Timeout, "timeout", "no answer"): false,
		problem.NewUnavailable(nil, time.Second, "down"):                               false,
		problem.New(problem.TooManyRequests, "", "slow down"):                          false,
		problem.New(problem.Unauthenticated, "", "sign in"):                            false,
		problem.New(problem.Forbidden, "", "not you"):                                  false,
		problem.New(problem.Conflict, "sold_out", "no"):                                true,
		problem.NewNotFound("address"):                                                 true} {
		if got := Definite(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("Definite(%v) = %v, want %v", err, got, want)
		}
	}
}

func TestWhichAnswersAreStored(t *testing.T) {
	for status, want := range map[int]bool{200: true, 201: true, 204: true, 400: true, 409: true, 422: true,
		401: false, 403: false, 408: false, 425: false, 429: false, 500: false, 503: false, 504: false} {
		if Kept(status) != want {
			t.Errorf("Kept(%d) = %v", status, !want)
		}
	}
}

// A refusal that a key will always get says so; one that passes does not.
func TestAdvice(t *testing.T) {
	for doc, want := range map[*problem.Document]bool{
		{Status: 409, Code: "sold_out", Detail: "There is not enough."}:                    true,
		{Status: 409, Code: InProgress, Detail: "The first request has not ended."}:        false,
		{Status: 503, Code: "unavailable", Detail: "Come again."}:                          false,
		{Status: 409, Code: "checkout_expired", Detail: "Try with a new Idempotency-Key."}: false,
	} {
		if got := Advise(*doc).Detail != doc.Detail; got != want {
			t.Errorf("%s: advised %v, want %v", doc.Code, got, want)
		}
	}
}
