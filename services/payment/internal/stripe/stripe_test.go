package stripe

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/payment/internal/payment"
)

var good = payment.Card{Number: "4242424242424242", ExpMonth: 12, ExpYear: 2035, CVC: "123"}

// mock starts Stripe's own stand-in, which checks every request against Stripe's OpenAPI document. It remembers nothing: what it
// answers are fixtures, so the test is about what we send.
func mock(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds stripe-mock")
	}
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "install", "github.com/stripe/stripe-mock@v0.203.0")
	build.Dir = dir // outside the module
	build.Env = append(build.Environ(), "GOBIN="+dir, "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("stripe-mock cannot be built here: %v\n%s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	server := exec.CommandContext(t.Context(), filepath.Join(dir, "stripe-mock"), "-http-addr", addr) // ends with the test
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() })
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return "http://" + addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("stripe-mock does not answer: %v", err)
		}
	}
}

func TestStripeUnderstandsUs(t *testing.T) {
	p := New("sk_test_123", mock(t))
	ctx := t.Context()
	id, err := p.Create(ctx, "7", 210, "CNY")
	if err != nil || !strings.HasPrefix(id, "pi_") {
		t.Fatalf("create: %q, %v", id, err)
	}
	if _, err := p.Confirm(ctx, id, good); err != nil {
		t.Errorf("confirm: %v", err)
	}
	if _, err := p.Get(ctx, id); err != nil {
		t.Errorf("get: %v", err)
	}
	if _, err := p.Cancel(ctx, id); err != nil {
		t.Errorf("cancel: %v", err)
	}
	if err := p.Refund(ctx, id, "7", 210); err != nil {
		t.Errorf("refund: %v", err)
	}
}

// answers plays Stripe's answers that its stand-in cannot give, in Stripe's own words, and notes what was asked with which key.
type answers struct {
	mu    sync.Mutex
	asked []string
	reply map[string]string // path → body; one with "error" is sent with 402
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.Path+" "+r.Header.Get("Idempotency-Key"))
	body := a.reply[r.URL.Path]
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.Contains(body, `"card_error"`):
		w.WriteHeader(http.StatusPaymentRequired)
	case strings.Contains(body, `"error"`):
		w.WriteHeader(http.StatusBadRequest)
	case body == "":
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = io.WriteString(w, body)
}

func intent(status string) string {
	return fmt.Sprintf(`{"id":"pi_1","object":"payment_intent","status":%q}`, status)
}

const method = `{"id":"pm_1","object":"payment_method"}`

func declinedBody(code string) string {
	return fmt.Sprintf(`{"error":{"type":"card_error","code":"card_declined","decline_code":%q,"message":"no"}}`, code)
}

func TestWhatStripeSays(t *testing.T) {
	tests := map[string]struct {
		confirm, cancel string
		want            payment.Outcome
		unknown         bool
	}{
		"captured":                    {intent("succeeded"), "", payment.Outcome{State: payment.StateSucceeded}, false},
		"on its way":                  {intent("processing"), "", payment.Outcome{State: payment.StateProcessing}, false},
		"declined":                    {declinedBody("generic_decline"), intent("canceled"), payment.Outcome{State: payment.StateFailed, FailureCode: "card_declined"}, false},
		"no money":                    {declinedBody("insufficient_funds"), intent("canceled"), payment.Outcome{State: payment.StateFailed, FailureCode: "insufficient_funds"}, false},
		"declined, but paid by then":  {declinedBody("generic_decline"), intent("succeeded"), payment.Outcome{State: payment.StateSucceeded}, false},
		"no answer":                   {"", "", payment.Outcome{}, true},
		"declined, cancel unanswered": {declinedBody("generic_decline"), "", payment.Outcome{}, true},
	}
	for name, tt := range tests {
		a := &answers{reply: map[string]string{"/v1/payment_methods": method, "/v1/payment_intents/pi_1/confirm": tt.confirm, "/v1/payment_intents/pi_1/cancel": tt.cancel}}
		s := httptest.NewServer(a)
		got, err := New("sk_test_123", s.URL).Confirm(t.Context(), "pi_1", good)
		s.Close()
		if got != tt.want || (err != nil) != tt.unknown {
			t.Errorf("%s: %+v, %v; want %+v, unknown %v", name, got, err, tt.want, tt.unknown)
		}
	}
}

// Cancelling what is settled tells how it settled; a refund that was given counts as given.
func TestRepeatsAreHarmless(t *testing.T) {
	a := &answers{reply: map[string]string{
		"/v1/payment_intents/pi_1/cancel": `{"error":{"type":"invalid_request_error","code":"payment_intent_unexpected_state","message":"succeeded"}}`,
		"/v1/payment_intents/pi_1":        intent("succeeded"),
		"/v1/refunds":                     `{"error":{"type":"invalid_request_error","code":"charge_already_refunded","message":"again"}}`,
	}}
	s := httptest.NewServer(a)
	defer s.Close()
	p := New("sk_test_123", s.URL)
	if o, err := p.Cancel(t.Context(), "pi_1"); err != nil || o.State != payment.StateSucceeded {
		t.Errorf("cancel what succeeded: %+v, %v", o, err)
	}
	for range 2 {
		if err := p.Refund(t.Context(), "pi_1", "7", 210); err != nil {
			t.Errorf("refund: %v", err)
		}
	}
	if n := len(a.asked); a.asked[n-1] != "/v1/refunds refund-7-210" || a.asked[n-2] != a.asked[n-1] {
		t.Errorf("asked %v; want both refunds with one key", a.asked)
	}
}
