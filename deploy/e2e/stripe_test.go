//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fakeStripe speaks as much of Stripe's API as payment uses, and remembers what it was asked.
type fakeStripe struct {
	mu      sync.Mutex
	intents map[string]map[string]any
	refunds map[string]map[string]any
}

// newStripe gives the address of one that approves every card.
func newStripe(t *testing.T) string {
	t.Helper()
	f := &fakeStripe{intents: map[string]map[string]any{}, refunds: map[string]map[string]any{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func (f *fakeStripe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = r.ParseForm()
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	var answer map[string]any
	switch {
	case path[0] == "payment_methods":
		answer = map[string]any{"id": "pm_" + r.Header.Get("Idempotency-Key"), "object": "payment_method"}
	case path[0] == "refunds" && r.Method == http.MethodPost:
		id := fmt.Sprintf("re_%d", len(f.refunds)+1)
		answer = map[string]any{"id": id, "object": "refund", "status": "succeeded", "payment_intent": r.Form.Get("payment_intent"), "amount": f.intents[r.Form.Get("payment_intent")]["amount"]}
		f.refunds[id] = answer
	case path[0] == "payment_intents" && len(path) == 1 && r.Method == http.MethodPost:
		id := fmt.Sprintf("pi_%d", len(f.intents)+1)
		answer = map[string]any{"id": id, "object": "payment_intent", "status": "requires_payment_method", "client_secret": id + "_secret",
			"amount": json.Number(r.Form.Get("amount")), "currency": r.Form.Get("currency"), "metadata": map[string]string{"payment_id": r.Form.Get("metadata[payment_id]")}}
		f.intents[id] = answer
	case path[0] == "payment_intents" && len(path) > 1:
		answer = maps.Clone(f.intents[path[1]])
		if len(path) == 3 && answer["status"] != "succeeded" {
			answer["status"] = map[string]string{"confirm": "succeeded", "cancel": "canceled"}[path[2]]
		}
		f.intents[path[1]] = answer
	}
	w.Header().Set("Content-Type", "application/json")
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
		answer = map[string]any{"error": map[string]string{"type": "invalid_request_error", "message": "no such thing"}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}
