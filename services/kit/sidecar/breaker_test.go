package sidecar

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"daprmall.dev/services/kit/problem"
)

// calls makes n calls of a route, of which those chosen by fails fail, and returns how many went through.
func calls(b *Breakers, app, route string, n int, fails func(i int) bool) (through int) {
	for i := range n {
		if done, err := b.Allow(app, route); err == nil {
			through++
			done(fails(i))
		}
	}
	return through
}

// later advances the bubble's clock.
func later(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // synctest: nobody waits

func always(int) bool       { return true }
func never(int) bool        { return false }
func everyOther(i int) bool { return i%2 == 1 }
func everyThird(i int) bool { return i%3 == 0 }

// Calls that take longer than the window count when they end. One that began before the breaker opened says nothing
// about the time after it.
func TestABreakerCountsCallsThatTakeLongerThanItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBreakers()
		var slow []func(bool)
		for range breakerRequests + 1 {
			done, err := b.Allow("payment", "POST /a")
			if err != nil {
				t.Fatal(err)
			}
			slow = append(slow, done)
		}
		later(2 * breakerWindow)
		for _, done := range slow[1:] {
			done(true)
		}
		if n := calls(b, "payment", "POST /a", 1, never); n != 0 {
			t.Error("after many calls that took long and failed, the breaker is closed")
		}
		later(breakerPause + time.Second)
		probe, err := b.Allow("payment", "POST /a")
		if err != nil {
			t.Fatal(err)
		}
		slow[0](true) // it began when the breaker was closed
		probe(false)
		if n := calls(b, "payment", "POST /a", 10, never); n != 10 {
			t.Errorf("after an old failure and a probe that went well %d of 10 calls go through", n)
		}
	})
}

// A breaker opens when half of enough calls fail. After a pause it lets a few through, and opens again or closes
// depending on their results.
func TestABreakerHasThreeStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBreakers()
		if n := calls(b, "order", "POST /a", breakerRequests-1, always); n != breakerRequests-1 {
			t.Errorf("%d of too few calls to tell went through", n)
		}
		later(breakerWindow + time.Second)
		if n := calls(b, "order", "POST /a", 300, everyThird); n != 300 {
			t.Errorf("a third of the calls fails: %d of 300 went through", n)
		}
		later(breakerWindow + time.Second)
		if n := calls(b, "order", "POST /a", 300, everyOther); n < breakerRequests || n > breakerRequests+1 {
			t.Errorf("half of the calls fail: %d went through, want the first %d", n, breakerRequests)
		}
		_, err := b.Allow("order", "POST /a")
		var p *problem.Error
		if problem.KindOf(err) != problem.Unavailable || !errors.As(err, &p) || p.RetryAfter != breakerPause {
			t.Errorf("while it is open: %v, want unavailable with advice", err)
		}
		if calls(b, "order", "GET /a", 10, never) != 10 || calls(b, "cart", "POST /a", 10, never) != 10 {
			t.Error("the breaker of one route opened that of another")
		}
		later(breakerPause + time.Second)
		if n := calls(b, "order", "POST /a", 10, always); n != 1 {
			t.Errorf("half open: %d calls went through, want one that failed", n)
		}
		later(breakerPause + time.Second)
		var pending []func(bool)
		for range 10 {
			if done, err := b.Allow("order", "POST /a"); err == nil {
				pending = append(pending, done)
			}
		}
		if len(pending) != breakerProbes {
			t.Errorf("half open: %d calls at once, want %d", len(pending), breakerProbes)
		}
		for _, done := range pending {
			done(false)
		}
		if n := calls(b, "order", "POST /a", 100, never); n != 100 {
			t.Errorf("after probes that went well: %d of 100 went through", n)
		}
	})
}

// Only answers that show that a service does not work count as failures.
func TestWhichAnswersCountAsFailures(t *testing.T) {
	document := func(status int, code string) string {
		text, err := json.Marshal(problem.Document{Type: "about:blank", Status: status, Code: code})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for what, a := range map[string]struct {
		status int
		body   string
		opens  bool
	}{
		"success":                     {200, `{}`, false},
		"not found":                   {404, document(404, "not_found"), false},
		"a conflict":                  {409, document(409, "sold_out"), false},
		"too many":                    {429, document(429, "too_many_requests"), false},
		"shedding load":               {503, document(503, CodeOverloaded), false},
		"its database is unreachable": {503, document(503, "unavailable"), true},
		"a failure":                   {500, document(500, "internal"), true},
		"no address":                  {500, `{"errorCode":"ERR_DIRECT_INVOKE","message":"x"}`, true},
		"not allowed by Dapr":         {403, `{"errorCode":"ERR_DIRECT_INVOKE","message":"x"}`, true},
		"a connection that ends":      {0, "", true},
	} {
		var seen atomic.Int64
		c := open(t, func(w http.ResponseWriter, r *http.Request) {
			seen.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			if a.status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(a.status)
			_, _ = io.WriteString(w, a.body)
		})
		const asked = 3 * breakerRequests
		for i := range asked {
			// Ids and queries do not make routes of their own.
			_ = c.Invoke(t.Context(), Request{App: "order", Method: http.MethodPost, Path: "/x?i=" + string(rune('a'+i%26)),
				In: thing{"5"}})
		}
		if opened := seen.Load() < asked; opened != a.opens {
			t.Errorf("%s: %d of %d calls were sent, want the breaker to open: %v", what, seen.Load(), asked, a.opens)
		}
	}
}

// A route has one breaker, whatever ids are in its path: breakers per id would never open, and would accumulate.
func TestARouteHasOneBreakerForAllIDs(t *testing.T) {
	var seen atomic.Int64
	c := open(t, func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	})
	const asked = 3 * breakerRequests
	for i := range asked {
		_ = c.Invoke(t.Context(), Request{App: "order", Method: http.MethodGet,
			Path: fmt.Sprintf("/v1/orders/%d?full=%d", 7000+i, i)})
	}
	if n := len(c.breakers.of); n != 1 || seen.Load() == asked {
		t.Errorf("%d breakers, %d of %d calls were sent, want one that opens", n, seen.Load(), asked)
	}
}
