// Package stripetest is a Stripe for tests: the part of its API that payment uses, with the behaviour that matters for
// money. It repeats any answer to a key, failures too; it refuses to refund more than was captured; refunds may fail
// late.
package stripetest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"
)

// Cards with a special outcome; every other one is approved.
const (
	Good       = "4242424242424242"
	Declines   = "4000000000000002"
	Challenges = "4000002500003155"
)

// Secret signs the notices.
const Secret = "whsec_test"

// Stripe is the fake.
type Stripe struct {
	URL string

	mu       sync.Mutex
	intents  map[string]object
	refunds  map[string]object
	methods  map[string]string // method → card number
	kept     map[string]answer // by idempotency key
	fail     map[string][]int  // path → statuses of the next answers
	nextBack string            // the status of the next refund
	asked    []string
}

type object map[string]any

type answer struct {
	status int
	body   []byte
}

// New starts one that ends with the test.
func New(t *testing.T) *Stripe {
	t.Helper()
	s := &Stripe{intents: map[string]object{}, refunds: map[string]object{}, methods: map[string]string{},
		kept: map[string]answer{},
		fail: map[string][]int{}, nextBack: "succeeded"}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// FailNext makes the next answers on a path failures with these statuses, without effect.
func (s *Stripe) FailNext(path string, statuses ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[path] = statuses
}

// NextRefund sets the status that refunds begin with.
func (s *Stripe) NextRefund(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextBack = status
}

// SetRefunds sets the status of every refund that is not final.
func (s *Stripe) SetRefunds(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refunds {
		if r["status"] == from {
			r["status"] = to
		}
	}
}

// Refunds counts refunds by status.
func (s *Stripe) Refunds() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, r := range s.refunds {
		n[r["status"].(string)]++
	}
	return n
}

// Asked returns method and path of every request.
func (s *Stripe) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// Captured is what an intent has captured, in Stripe's unit.
func (s *Stripe) Captured(intent string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.intents[intent]; i["status"] == "succeeded" {
		return i["amount"].(int64)
	}
	return 0
}

// EnterCard is what a shopper does in Stripe's own card fields.
func (s *Stripe) EnterCard(secret, number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirm(s.intents[strings.TrimSuffix(secret, "_secret")], number)
}

// Authenticate is what a shopper does on the page of the card's bank.
func (s *Stripe) Authenticate(intent string, pass bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.intents[intent]
	if i["status"] != "requires_action" {
		return
	}
	if delete(i, "next_action"); pass {
		i["status"] = "succeeded"
		return
	}
	i["status"] = "requires_payment_method"
	i["last_payment_error"] = object{"type": "card_error", "code": "payment_intent_authentication_failure",
		"message": "no"}
}

// Notice returns a signed webhook about an object, as it is now or as changed.
func (s *Stripe) Notice(kind, id string, at time.Time, changed map[string]any) (payload []byte, signature string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := object{"id": id}
	maps.Copy(data, s.intents[id])
	maps.Copy(data, s.refunds[id])
	maps.Copy(data, changed)
	payload, err := json.Marshal(object{"id": "evt_" + kind + id, "object": "event", "type": kind, "created": at.Unix(),
		"api_version": "2020-08-27", "data": object{"object": data}})
	if err != nil {
		panic(err)
	}
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: payload, Secret: Secret, Timestamp: at})
	return payload, signed.Header
}

func (s *Stripe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	key := r.Header.Get("Idempotency-Key")
	a, known := s.kept[key]
	if key == "" || !known || r.Method != http.MethodPost {
		a = s.answer(r)
		if key != "" {
			s.kept[key] = a
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func (s *Stripe) answer(r *http.Request) answer {
	if next := s.fail[r.URL.Path]; len(next) > 0 {
		s.fail[r.URL.Path] = next[1:]
		return refused(next[0], "api_error", "", "")
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch {
	case path[0] == "payment_methods":
		number := r.Form.Get("card[number]")
		id := fmt.Sprintf("pm_%d", len(s.methods)+1)
		s.methods[id] = number
		return ok(method(id, number))
	case path[0] == "refunds":
		return s.refund(r, path)
	case path[0] == "payment_intents" && len(path) == 1:
		return s.create(r)
	case path[0] == "payment_intents":
		i, found := s.intents[path[1]]
		if !found {
			return refused(http.StatusNotFound, "invalid_request_error", "resource_missing", "")
		}
		if len(path) == 2 {
			return ok(i)
		}
		if path[2] == "confirm" {
			return s.confirm(i, s.methods[r.Form.Get("payment_method")])
		}
		if i["status"] == "succeeded" || i["status"] == "canceled" {
			return refused(http.StatusBadRequest, "invalid_request_error", "payment_intent_unexpected_state", "")
		}
		i["status"] = "canceled"
		return ok(i)
	}
	return refused(http.StatusNotFound, "invalid_request_error", "", "")
}

func (s *Stripe) create(r *http.Request) answer {
	amount, err := strconv.ParseInt(r.Form.Get("amount"), 10, 64)
	if err != nil {
		return refused(http.StatusBadRequest, "invalid_request_error", "", "")
	}
	id := fmt.Sprintf("pi_%d", len(s.intents)+1)
	i := object{"id": id, "object": "payment_intent", "status": "requires_payment_method", "client_secret": id + "_secret",
		"amount":   amount,
		"currency": r.Form.Get("currency"), "metadata": object{"payment_id": r.Form.Get("metadata[payment_id]")}}
	s.intents[id] = i
	return ok(i)
}

func (s *Stripe) confirm(i object, number string) answer {
	if i["status"] == "succeeded" || i["status"] == "canceled" {
		return refused(http.StatusBadRequest, "invalid_request_error", "payment_intent_unexpected_state", "")
	}
	i["payment_method"] = method("pm_x", number)
	switch number {
	case Declines:
		i["last_payment_error"] = object{"type": "card_error", "code": "card_declined", "decline_code": "generic_decline",
			"message": "no"}
		return refused(http.StatusPaymentRequired, "card_error", "card_declined", "generic_decline")
	case Challenges:
		i["status"], i["next_action"] = "requires_action", object{"type": "use_stripe_sdk", "use_stripe_sdk": object{}}
	default:
		i["status"] = "succeeded"
	}
	return ok(i)
}

func (s *Stripe) refund(r *http.Request, path []string) answer {
	if r.Method == http.MethodGet && len(path) == 2 {
		return ok(s.refunds[path[1]])
	}
	intent := r.Form.Get("payment_intent")
	var list []object
	back := int64(0)
	for _, f := range s.refunds {
		if f["payment_intent"] != intent {
			continue
		}
		list = append(list, f)
		if f["status"] != "failed" && f["status"] != "canceled" {
			back += f["amount"].(int64)
		}
	}
	if r.Method == http.MethodGet {
		return ok(object{"object": "list", "data": list, "has_more": false})
	}
	left := s.intents[intent]["amount"].(int64) - back
	if left <= 0 {
		return refused(http.StatusBadRequest, "invalid_request_error", "charge_already_refunded", "")
	}
	id := fmt.Sprintf("re_%d", len(s.refunds)+1)
	f := object{"id": id, "object": "refund", "status": s.nextBack, "payment_intent": intent, "amount": left,
		"metadata": object{"payment_id": r.Form.Get("metadata[payment_id]")}}
	s.refunds[id] = f
	return ok(f)
}

func method(id, number string) object {
	return object{"id": id, "object": "payment_method",
		"card": object{"brand": "visa", "last4": number[max(0, len(number)-4):]}}
}

func ok(o object) answer {
	body, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return answer{http.StatusOK, body}
}

func refused(status int, kind, code, decline string) answer {
	a := ok(object{"error": object{"type": kind, "code": code, "decline_code": decline, "message": "no"}})
	return answer{status, a.body}
}
