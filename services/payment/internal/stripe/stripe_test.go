package stripe

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/stripe/stripetest"
)

var good = payment.Card{Number: "4242424242424242", ExpMonth: 12, ExpYear: 2035, CVC: "123"}

// mock starts stripe-mock, which checks every request against Stripe's OpenAPI document. It keeps no state and answers
// with fixtures, so this test checks only what we send.
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
		t.Fatalf("stripe-mock cannot be built here (-short leaves this test out): %v\n%s", err, out)
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

func TestRequestsMatchStripesAPI(t *testing.T) {
	p := New(Config{APIKey: "sk_test_123", URL: mock(t)})
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
	r, err := p.Refund(ctx, id, "7", 210)
	if err != nil || r.ID == "" {
		t.Errorf("refund: %+v, %v", r, err)
	}
	if _, err := p.GetRefund(ctx, id, r.ID); err != nil {
		t.Errorf("get refund: %v", err)
	}
}

// answers is a fake with Stripe's answers that stripe-mock cannot give. It records the requests and their keys.
type answers struct {
	mu    sync.Mutex
	asked []string
	reply map[string]string // path → body; a body with "error" is sent with status 402
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

func TestStripesAnswersAreInterpreted(t *testing.T) {
	tests := map[string]struct {
		confirm, cancel string
		want            payment.Outcome
		unknown         bool
	}{
		"captured":   {intent("succeeded"), "", payment.Outcome{State: payment.StateSucceeded}, false},
		"processing": {intent("processing"), "", payment.Outcome{State: payment.StateProcessing}, false},
		"declined": {declinedBody("generic_decline"), intent("canceled"),
			payment.Outcome{State: payment.StateFailed, FailureCode: "card_declined"}, false},
		"no money": {declinedBody("insufficient_funds"), intent("canceled"),
			payment.Outcome{State: payment.StateFailed, FailureCode: "insufficient_funds"}, false},
		"declined, but already paid": {declinedBody("generic_decline"), intent("succeeded"),
			payment.Outcome{State: payment.StateSucceeded}, false},
		"no answer":                   {"", "", payment.Outcome{}, true},
		"declined, cancel unanswered": {declinedBody("generic_decline"), "", payment.Outcome{}, true},
	}
	for name, tt := range tests {
		a := &answers{reply: map[string]string{"/v1/payment_methods": method, "/v1/payment_intents/pi_1/confirm": tt.confirm,
			"/v1/payment_intents/pi_1/cancel": tt.cancel}}
		s := httptest.NewServer(a)
		got, err := New(Config{APIKey: "sk_test_123", URL: s.URL}).Confirm(t.Context(), "pi_1", good)
		s.Close()
		if got != tt.want || (err != nil) != tt.unknown {
			t.Errorf("%s: %+v, %v; want %+v, unknown %v", name, got, err, tt.want, tt.unknown)
		}
	}
}

// Cancelling a settled charge returns how it was settled.
func TestCancellingASettledChargeReturnsItsOutcome(t *testing.T) {
	a := &answers{reply: map[string]string{
		"/v1/payment_intents/pi_1/cancel": `{"error":{"type":"invalid_request_error",` +
			`"code":"payment_intent_unexpected_state",` +
			`"message":"succeeded"}}`,
		"/v1/payment_intents/pi_1": intent("succeeded"),
	}}
	s := httptest.NewServer(a)
	defer s.Close()
	if o, err := New(Config{APIKey: "sk_test_123", URL: s.URL}).Cancel(t.Context(), "pi_1"); err != nil ||
		o.State != payment.StateSucceeded {
		t.Errorf("cancel what succeeded: %+v, %v", o, err)
	}
}

// Only a succeeded refund counts. A pending one is not requested again, and a failed one is made anew, even at once,
// although Stripe repeats its answer to a key for a day.
func TestRefundsAreMadeOnceUnlessTheyFail(t *testing.T) {
	open := func(t *testing.T) (*stripetest.Stripe, *Provider, string) {
		t.Helper()
		s := stripetest.New(t)
		p := New(Config{APIKey: "sk_test_123", URL: s.URL})
		id, err := p.Create(t.Context(), "7", 210, "CNY")
		if err != nil {
			t.Fatal(err)
		}
		if o, err := p.Confirm(t.Context(), id, good); err != nil || o.State != payment.StateSucceeded {
			t.Fatalf("confirm: %+v, %v", o, err)
		}
		return s, p, id
	}
	for status, want := range map[string]payment.RefundState{"succeeded": payment.RefundSucceeded,
		"pending":         payment.RefundPending,
		"requires_action": payment.RefundPending, "failed": payment.RefundFailed, "canceled": payment.RefundFailed} {
		s, p, id := open(t)
		s.NextRefund(status)
		r, err := p.Refund(t.Context(), id, "7", 210)
		if err != nil || r.State != want {
			t.Errorf("%s: %+v, %v; want %s", status, r, err, want)
		}
		if r, err = p.GetRefund(t.Context(), id, r.ID); err != nil || r.State != want {
			t.Errorf("%s, checked again: %+v, %v; want %s", status, r, err, want)
		}
		s.NextRefund("succeeded")
		again, err := p.Refund(t.Context(), id, "7", 210)
		if anew := again.ID != r.ID; err != nil || anew != (want == payment.RefundFailed) {
			t.Errorf("%s, requested again: %+v, %v after %+v", status, again, err, r)
		}
	}
	s, p, id := open(t)
	s.FailNext("/v1/refunds", http.StatusInternalServerError, http.StatusInternalServerError)
	for range 2 {
		if r, err := p.Refund(t.Context(), id, "7", 210); err == nil {
			t.Errorf("Stripe failed: %+v, want an error", r)
		}
	}
	for range 2 {
		if r, err := p.Refund(t.Context(), id, "7", 210); err != nil || r.State != payment.RefundSucceeded {
			t.Errorf("refund: %+v, %v", r, err)
		}
	}
	if n := s.Refunds(); n["succeeded"] != 1 {
		t.Errorf("refunds %v, want one", n)
	}
}

// A failure, which Stripe repeats for a day, must not be the answer to the next try.
func TestTheNextTryHasAnotherKey(t *testing.T) {
	s := stripetest.New(t)
	p := New(Config{APIKey: "sk_test_123", URL: s.URL})
	s.FailNext("/v1/payment_intents", http.StatusInternalServerError)
	if _, err := p.Create(t.Context(), "7", 210, "CNY"); err == nil {
		t.Fatal("create succeeded although Stripe failed")
	}
	if id, err := p.Create(t.Context(), "7", 210, "CNY"); err != nil || id == "" {
		t.Errorf("create again: %q, %v; want an intent", id, err)
	}
}

// If the bank asks the shopper, the outcome contains what Stripe.js needs, and the answer is found by checking again.
func TestAnOutcomeThatRequiresAnAction(t *testing.T) {
	for pass, want := range map[bool]payment.Outcome{
		true: {State: payment.StateSucceeded, Card: payment.CardSummary{Brand: "visa", Last4: "3155"}},
		false: {State: payment.StateCreated, FailureCode: payment.AuthenticationFailed,
			NextAction: &payment.NextAction{Type: payment.ActionEnterCard, ClientSecret: "pi_1_secret"}},
	} {
		s := stripetest.New(t)
		p := New(Config{APIKey: "sk_test_123", URL: s.URL})
		id, err := p.Create(t.Context(), "7", 210, "CNY")
		if err != nil {
			t.Fatal(err)
		}
		o, err := p.Confirm(t.Context(), id, payment.Card{Number: stripetest.Challenges, ExpMonth: 12, ExpYear: 2035,
			CVC: "123"})
		action := payment.NextAction{Type: payment.ActionStripeSDK, ClientSecret: "pi_1_secret"}
		if err != nil || o.State != payment.StateRequiresAction || o.NextAction == nil || *o.NextAction != action {
			t.Fatalf("confirm: %+v, %v; want %+v", o, err, action)
		}
		s.Authenticate(id, pass)
		got, err := p.Get(t.Context(), id)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("after the answer %v: %+v, %v; want %+v", pass, got, err, want)
		}
	}
}

// Amounts are in the mall's unit (ISO 4217) outside the adapter and in Stripe's unit inside. Unknown currencies are
// refused before Stripe is called.
func TestAmountsInStripesUnit(t *testing.T) {
	for _, tt := range []struct {
		amount   int64
		currency string
		want     int64
	}{
		{1999, "CNY", 1999}, {1999, "USD", 1999}, {1999, "HUF", 1999}, {1999, "TWD", 1999}, {500, "JPY", 500},
		{500, "KRW", 500}, {500, "CLP", 500},
		{5, "ISK", 500}, {5, "UGX", 500}, {500, "MGA", 5}, {510, "MGA", -1}, {5124, "KWD", 5120}, {5125, "KWD", 5130},
		{5126, "TND", 5130}, {5120, "BHD", 5120},
		{0, "EUR", 0}, {-1, "EUR", -1}, {math.MaxInt64, "ISK", -1}, {100, "XTS", -1}, {100, "usd", -1}, {100, "", -1},
		{100, "CLF", -1},
	} {
		got, err := units(tt.amount, tt.currency)
		if errors.Is(err, payment.ErrNotChargeable) != (tt.want < 0) || err == nil && got != tt.want {
			t.Errorf("%d %s: %d, %v; want %d", tt.amount, tt.currency, got, err, tt.want)
		}
	}
	s := stripetest.New(t)
	if _, err := New(Config{APIKey: "sk_test_123", URL: s.URL}).Create(t.Context(), "7", 210, "XTS"); !errors.Is(err,
		payment.ErrNotChargeable) || len(s.Asked()) > 0 {
		t.Errorf("an unknown currency: %v, Stripe was asked %v", err, s.Asked())
	}
}

// A notice is accepted only if it is unchanged and Stripe signed it recently. It names a charge and nothing more.
func TestOnlySignedRecentNoticesAreAccepted(t *testing.T) {
	s := stripetest.New(t)
	p := New(Config{APIKey: "sk_test_123", WebhookSecret: "whsec_old, " + stripetest.Secret, URL: s.URL})
	now := time.Now()
	for kind, want := range map[string]payment.Notice{
		"payment_intent.succeeded":       {ChargeID: "pi_1"},
		"payment_intent.payment_failed":  {ChargeID: "pi_1"},
		"payment_intent.requires_action": {ChargeID: "pi_1"},
		"customer.created":               {},
	} {
		body, signature := s.Notice(kind, "pi_1", now, nil)
		want.ID, want.Kind = "evt_"+kind+"pi_1", kind
		if n, err := p.Notice(body, signature); err != nil || n != want {
			t.Errorf("%s: %+v, %v; want %+v", kind, n, err, want)
		}
	}
	for _, kind := range []string{"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"} {
		body, signature := s.Notice(kind, "re_1", now, map[string]any{"payment_intent": "pi_1", "status": "failed"})
		if n, err := p.Notice(body, signature); err != nil || n.ChargeID != "pi_1" || !n.Refund {
			t.Errorf("%s: %+v, %v; want the refund of pi_1", kind, n, err)
		}
	}
	body, signature := s.Notice("charge.dispute.created", "dp_1", now,
		map[string]any{"payment_intent": "pi_1", "amount": 210, "currency": "cny", "reason": "fraudulent",
			"status": "needs_response"})
	want := payment.Dispute{ID: "dp_1", ChargeID: "pi_1", Amount: 210, Currency: "CNY", Reason: "fraudulent",
		Status: "needs_response", At: now.UTC().Truncate(time.Second)}
	if n, err := p.Notice(body, signature); err != nil || n.Dispute == nil || *n.Dispute != want || n.ChargeID != "" {
		t.Errorf("dispute: %+v, %v; want %+v", n.Dispute, err, want)
	}

	body, signature = s.Notice("payment_intent.succeeded", "pi_1", now, nil)
	_, old := s.Notice("payment_intent.succeeded", "pi_1", now.Add(-6*time.Minute), nil)
	for name, c := range map[string]struct{ body, signature string }{
		"no signature":   {string(body), ""},
		"another's":      {string(body), signature[:len(signature)-2] + "00"},
		"another body":   {strings.Replace(string(body), "pi_1", "pi_2", 1), signature},
		"too old":        {string(body), old},
		"nonsense":       {string(body), "t=soon,v1=zz"},
		"an added space": {string(body) + " ", signature},
	} {
		if n, err := p.Notice([]byte(c.body), c.signature); problem.CodeOf(err) != "bad_signature" {
			t.Errorf("%s: %+v, %v; want bad_signature", name, n, err)
		}
	}
	if _, err := New(Config{APIKey: "sk_test_123", URL: s.URL}).Notice(body,
		signature); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("without a secret: %v, want unavailable", err)
	}
}
