package stripe

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
)

func refusal(code, param string) string {
	return fmt.Sprintf(`{"error":{"type":"invalid_request_error","code":%q,"param":%q,"message":"no"}}`, code, param)
}

// An amount that Stripe will never accept is not an outage: the shopper is not told to retry.
func TestAnAmountThatStripeRefusesIsNotAnOutage(t *testing.T) {
	for body, want := range map[string]bool{
		refusal("amount_too_small", ""):                                       true,
		refusal("amount_too_large", ""):                                       true,
		refusal("", "currency"):                                               true,
		refusal("parameter_invalid_integer", "amount"):                        true,
		refusal("api_key_expired", ""):                                        false,
		refusal("", "payment_method_types"):                                   false,
		`{"error":{"type":"api_error","code":"","message":"Stripe's fault"}}`: false,
	} {
		s := httptest.NewServer(&answers{reply: map[string]string{"/v1/payment_intents": body}})
		_, err := New(Config{APIKey: "sk_test_123", URL: s.URL}).Create(t.Context(), "7", 10, "CNY")
		s.Close()
		if err == nil || errors.Is(err, payment.ErrNotChargeable) != want {
			t.Errorf("%s: %v; want not chargeable: %v", body, err, want)
		}
	}
}

// A refund that Stripe refuses has failed: operators see it, and it is not tried forever.
func TestARefundThatStripeRefusesHasFailed(t *testing.T) {
	for code, want := range map[string]payment.RefundState{"charge_disputed": payment.RefundFailed,
		"refund_disputed_payment": payment.RefundFailed,
		"charge_not_refundable":   payment.RefundFailed, "balance_insufficient": payment.RefundFailed, "lock_timeout": "",
		"resource_missing": "",
		"api_key_expired":  ""} {
		a := &refundRefused{body: refusal(code, "")}
		s := httptest.NewServer(a)
		r, err := New(Config{APIKey: "sk_test_123", URL: s.URL}).Refund(t.Context(), "pi_1", "7", 10)
		s.Close()
		if r.State != want || (err != nil) != (want == "") || want != "" && r.Reason != code {
			t.Errorf("%s: %+v, %v; want %q", code, r, err, want)
		}
	}
}

// Errors are logged, so they must not contain secrets or data of the card.
func TestErrorsContainNoSecrets(t *testing.T) {
	const there = `{"error":{"type":"invalid_request_error","code":"payment_intent_unexpected_state",
		"message":"card 4242424242424242",
		"payment_intent":{"id":"pi_1","client_secret":"pi_1_secret_x"},
		"payment_method":{"id":"pm_1","card":{"last4":"4242","fingerprint":"Xt5"}}}}`
	paths := []string{"", "/pi_1", "/pi_1/confirm", "/pi_1/cancel"}
	a := &answers{reply: map[string]string{"/v1/payment_methods": method, "/v1/refunds": there, "/v1/refunds/re_1": there}}
	for _, path := range paths {
		a.reply["/v1/payment_intents"+path] = there
	}
	s := httptest.NewServer(a)
	defer s.Close()
	p, ctx := New(Config{APIKey: "sk_test_123", URL: s.URL}), t.Context()
	_, create := p.Create(ctx, "7", 10, "CNY")
	_, confirm := p.Confirm(ctx, "pi_1", good)
	_, get := p.Get(ctx, "pi_1")
	_, cancel := p.Cancel(ctx, "pi_1")
	_, refund := p.Refund(ctx, "pi_1", "7", 10)
	_, look := p.GetRefund(ctx, "pi_1", "re_1")
	a.reply["/v1/payment_methods"] = there
	_, method := p.Confirm(ctx, "pi_1", good)
	for what, err := range map[string]error{"create": create, "confirm": confirm, "get": get, "cancel": cancel,
		"refund": refund, "look": look, "method": method} {
		if err == nil || !strings.Contains(err.Error(), "payment_intent_unexpected_state") {
			t.Errorf("%s: %v, want Stripe's code", what, err)
			continue
		}
		for _, secret := range []string{"pi_1_secret_x", "4242", "Xt5"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s contains %s: %v", what, secret, err)
			}
		}
	}
}

// An additional comma in the list of webhook secrets must not become an empty secret, with which anybody could sign.
func TestAnEmptyWebhookSecretSignsNothing(t *testing.T) {
	payload := []byte(`{"id":"evt_1","object":"event","type":"charge.dispute.created","created":1,` +
		`"data":{"object":{"id":"dp_1"}}}`)
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: payload, Secret: "",
		Timestamp: time.Now()})
	for secrets, want := range map[string]problem.Kind{"whsec_a,": problem.BadRequest, ",whsec_a": problem.BadRequest,
		"whsec_a, ,whsec_b": problem.BadRequest,
		" ":                 problem.Unavailable, ",": problem.Unavailable} {
		if n, err := New(Config{APIKey: "sk_test_123", WebhookSecret: secrets}).Notice(payload,
			signed.Header); problem.KindOf(err) != want {
			t.Errorf("%q: %+v, %v; want kind %v", secrets, n, err, want)
		}
	}
}

// refundRefused is a Stripe without refunds that refuses to make one.
type refundRefused struct{ body string }

func (a *refundRefused) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, `{"object":"list","data":[],"has_more":false}`)
		return
	}
	status := http.StatusBadRequest
	switch {
	case strings.Contains(a.body, "lock_timeout"):
		status = http.StatusTooManyRequests
	case strings.Contains(a.body, "resource_missing"):
		status = http.StatusNotFound
	case strings.Contains(a.body, "api_key_expired"):
		status = http.StatusUnauthorized
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, a.body)
}
