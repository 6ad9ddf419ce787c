package edge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A crowd's requests that wait at the same time share an invocation. Each has its own answer, and none notices that
// another one was refused, or that its client has left.
func TestACrowdSharesInvocations(t *testing.T) {
	const crowd = 12
	for range 20 {
		if n := sharedBy(t, crowd); t.Failed() || n > 0 && n <= crowd/2 {
			return
		}
	}
	t.Errorf("%d requests at a time did not share invocations", crowd)
}

// sharedBy sends a request, and a crowd while that is not answered; it returns how many invocations the crowd shared.
// On a busy machine a crowd may come one by one, and nobody waits for long.
func sharedBy(t *testing.T, crowd int) int64 {
	t.Helper()
	release := make(chan struct{})
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			<-release
			w.Header().Set("Content-Type", "application/json")
			if r.Header.Get("Idempotency-Key") == "key-3" {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, `{"type":"about:blank","title":"","status":409,"code":"sold_out",`+
					`"trace_id":"0af7651916cd43dd8448eb211c80319c"}`)
				return
			}
			_, _ = io.WriteString(w, fmt.Sprintf(`{"key":%q,"app":%q}`, r.Header.Get("Idempotency-Key"),
				r.Header.Get("Mall-Caller-Key")))
		}
	})
	var all sync.WaitGroup
	all.Go(func() { m.signed("POST", "/v1/checkout", `{}`, "Idempotency-Key: first-of-all") })
	for seen := 0; seen == 0; {
		m.seenMu.Lock()
		seen = len(m.seen)
		m.seenMu.Unlock()
	}
	left, leave := context.WithCancel(t.Context())
	all.Go(func() {
		req, err := http.NewRequestWithContext(left, http.MethodPost, m.front.URL+"/v1/checkout", strings.NewReader(`{}`))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "of-one-who-leaves")
		req.Header.Set("Authorization", "Bearer "+m.token("customer"))
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
			t.Error("the client that left has an answer")
		}
	})
	for i := range crowd {
		all.Go(func() {
			key := fmt.Sprint("key-", i)
			r := m.signed("POST", "/v1/checkout", `{}`, "Idempotency-Key: "+key)
			if i == 3 {
				r.want(t, "a refused request", http.StatusConflict, "sold_out")
				return
			}
			if want := fmt.Sprintf(`{"key":%q,"app":"key of checkout"}`, key); r.StatusCode != 200 || r.text != want {
				t.Errorf("request %d: %d %s, want %s", i, r.StatusCode, r.text, want)
			}
		})
	}
	for m.admitted.InFlight() < int64(crowd)+2 {
		time.Sleep(time.Millisecond) //nolint:forbidigo // a poll; the test's own time-out ends it
	}
	leave()
	close(release)
	all.Wait()
	m.idle()
	return m.shared.Load()
}

// A request with a large body or token, or with a query, goes alone: it must not make the others' invocation too large.
func TestLargeRequestsGoAlone(t *testing.T) {
	release := make(chan struct{})
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Idempotency-Key") == "first-of-all" {
				<-release
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"ok":true}`)
		}
	})
	var first sync.WaitGroup
	first.Go(func() { m.signed("POST", "/v1/checkout", `{}`, "Idempotency-Key: first-of-all") })
	for seen := 0; seen == 0; {
		m.seenMu.Lock()
		seen = len(m.seen)
		m.seenMu.Unlock()
	}
	large := `{"note":"` + strings.Repeat("x", 20<<10) + `"}`
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() { m.signed("POST", "/v1/checkout", large, fmt.Sprint("Idempotency-Key: large-", i)) })
		all.Go(func() { m.signed("POST", "/v1/checkout?page_size=1", `{}`, fmt.Sprint("Idempotency-Key: query-", i)) })
	}
	all.Wait() // they do not wait for the first one
	close(release)
	first.Wait()
	if n := m.shared.Load(); n != 0 {
		t.Errorf("they shared %d invocations", n)
	}
}
