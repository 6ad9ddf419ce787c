//go:build e2e

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// stripeEnv configures Stripe in every mall: an address that does not exist, and the secret that signs its notices.
var stripeEnv = []string{"MALL_STRIPE_API_KEY=sk_test_e2e", "MALL_STRIPE_API_URL=http://stripe.invalid",
	"MALL_STRIPE_WEBHOOK_SECRET=" + stripeSecret}

const stripeSecret = "whsec_e2e" //nolint:gosec // of tests

// signed returns a notice as Stripe would send it.
func signed(kind, object string) (body []byte, signature string) {
	at := time.Now().Unix()
	body = fmt.Appendf(nil, `{"id":"evt_%d","object":"event","type":%q,"created":%d,"data":{"object":%s}}`, at, kind, at,
		object)
	mac := hmac.New(sha256.New, []byte(stripeSecret))
	fmt.Fprintf(mac, "%d.%s", at, body)
	return body, fmt.Sprintf("t=%d,v1=%x", at, mac.Sum(nil))
}

// fakeStripe implements the part of Stripe's API that payment uses, and keeps its state.
type fakeStripe struct {
	url     string
	mu      sync.Mutex
	intents map[string]map[string]any
	refunds map[string]map[string]any
}

// newStripe returns a fake that approves every card.
func newStripe(t *testing.T) *fakeStripe {
	t.Helper()
	f := &fakeStripe{intents: map[string]map[string]any{}, refunds: map[string]map[string]any{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

// enterCard does what a shopper does in Stripe's own card fields.
func (f *fakeStripe) enterCard(secret string) (intent string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	intent, _ = strings.CutSuffix(secret, "_secret")
	f.intents[intent]["status"] = "succeeded"
	f.intents[intent]["payment_method"] = map[string]any{"id": "pm_1", "object": "payment_method",
		"card": map[string]string{"brand": "visa", "last4": "4242"}}
	return intent
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
	case path[0] == "refunds" && r.Method == http.MethodGet && len(path) == 1:
		answer = map[string]any{"object": "list", "data": slices.Collect(maps.Values(f.refunds)), "has_more": false}
	case path[0] == "refunds" && r.Method == http.MethodPost:
		id := fmt.Sprintf("re_%d", len(f.refunds)+1)
		answer = map[string]any{"id": id, "object": "refund", "status": "succeeded",
			"payment_intent": r.Form.Get("payment_intent"), "amount": f.intents[r.Form.Get("payment_intent")]["amount"]}
		f.refunds[id] = answer
	case path[0] == "payment_intents" && len(path) == 1 && r.Method == http.MethodPost:
		id := fmt.Sprintf("pi_%d", len(f.intents)+1)
		answer = map[string]any{"id": id, "object": "payment_intent", "status": "requires_payment_method",
			"client_secret": id + "_secret",
			"amount":        json.Number(r.Form.Get("amount")), "currency": r.Form.Get("currency"),
			"metadata": map[string]string{"payment_id": r.Form.Get("metadata[payment_id]")}}
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

// A bank can ask the shopper to confirm a payment: the payment waits for the answer, which the sandbox asks for at its
// own route.
func TestAPaymentWaitsForTheShoppersConfirmation(t *testing.T) {
	ctx := t.Context()
	me, addressID := shopper(t)
	pay := func(card string) (o apiclient.Order, p payment) {
		t.Helper()
		o = order(t, me, addressID, product(t, "Asked tea", 500, 3).ID, 1)
		a, err := me.Pay(ctx, apiclient.Key(), o.ID, card)
		if err != nil || a.Status != http.StatusCreated || a.Into(&p) != nil || p.Status != "requires_action" ||
			p.NextAction.Type != "confirm_in_sandbox" {
			t.Fatalf("pay: %s, %v; want it to require an action", a, err)
		}
		return o, p
	}
	confirm := func(p payment, approve bool) payment {
		t.Helper()
		var now payment
		if err := me.Want(ctx, http.StatusOK, http.MethodPost, p.NextAction.RedirectURL, map[string]bool{"approve": approve},
			&now); err != nil {
			t.Fatal(err)
		}
		return now
	}
	o, p := pay(apiclient.CardAsked)
	if a := do(t, me, http.MethodPost, "/v1/payments", map[string]any{"order_id": o.ID,
		"card": map[string]any{"number": apiclient.CardGood, "exp_month": 12, "exp_year": 2035, "cvc": "123"}},
		"Idempotency-Key", apiclient.Key()); a.Code() != "payment_in_progress" {
		t.Errorf("another payment meanwhile: %s, want payment_in_progress", a)
	}
	if now := confirm(p, true); now.Status != "succeeded" || now.NextAction.Type != "" {
		t.Errorf("after approval: %+v, want succeeded", now)
	}
	waitOrder(t, me, o.ID, "paid")

	o, p = pay(apiclient.CardAskedEachTime)
	if now := confirm(p, false); now.Status != "failed" || now.FailureCode != "authentication_failed" {
		t.Errorf("after rejection: %+v, want failed", now)
	}
	if a, err := me.Pay(ctx, apiclient.Key(), o.ID, apiclient.CardGood); err != nil || a.Status != http.StatusCreated {
		t.Errorf("another card: %s, %v", a, err)
	}
	waitOrder(t, me, o.ID, "paid")
	if a := do(t, me, http.MethodPost, p.NextAction.RedirectURL,
		map[string]bool{"approve": true}); a.Code() != "no_action_required" {
		t.Errorf("a confirmation that is not required: %s, want no_action_required", a)
	}
	// The sandbox has no card fields of its own, so a card is required.
	o = order(t, me, addressID, product(t, "Asked tea", 500, 3).ID, 1)
	if a := do(t, me, http.MethodPost, "/v1/payments", map[string]any{"order_id": o.ID}, "Idempotency-Key",
		apiclient.Key()); a.Code() != "validation_failed" {
		t.Errorf("no card: %s, want validation_failed", a)
	}
}

// payment is a payment with fields that only some tests need.
type payment struct {
	ID, Status  string
	FailureCode string `json:"failure_code"`
	NextAction  struct {
		Type         string
		RedirectURL  string `json:"redirect_url"`
		ClientSecret string `json:"client_secret"`
	} `json:"next_action"`
}
