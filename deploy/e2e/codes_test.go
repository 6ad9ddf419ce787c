//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// refusals records the refusals that openapi.yaml lists and those that were given, such as "pay 409 already_paid". The
// validation of answers finds those that are given but not listed; this type finds those that are listed but never
// given.
type refusals struct {
	listed map[string]bool
	routes []route

	mu    sync.Mutex
	given map[string]bool
}

type route struct {
	operation, method string
	path              *regexp.Regexp
}

// newRefusals reads the refusals that an openapi.yaml lists, except those that no single request can provoke: rate
// limits and faults.
func newRefusals(doc schema) *refusals {
	r := &refusals{listed: map[string]bool{}, given: map[string]bool{}}
	for path, methods := range doc.at("paths") {
		pattern := regexp.MustCompile("^" + regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(path),
			`[^/]+`) + "$")
		for method, v := range asSchema(methods) {
			op := doc.deref(asSchema(v))
			r.routes = append(r.routes, route{op.text("operationId"), strings.ToUpper(method), pattern})
			for status, answer := range op.at("responses") {
				if status[0] != '4' || status == "429" {
					continue
				}
				for _, code := range codesIn(answer) {
					r.listed[fmt.Sprintf("%s %s %s", op.text("operationId"), status, code)] = true
				}
			}
		}
	}
	// A literal path comes before one with a parameter that also matches it.
	slices.SortFunc(r.routes, func(a, b route) int {
		return strings.Count(a.path.String(), "[^/]+") - strings.Count(b.path.String(), "[^/]+")
	})
	return r
}

// codesIn finds the codes in the schema of an answer.
func codesIn(v any) (codes []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			codes = append(codes, codesIn(item)...)
		}
	case schema:
		for name, inner := range v {
			if name != "code" {
				codes = append(codes, codesIn(inner)...)
				continue
			}
			for _, code := range asSchema(inner).list("enum") {
				codes = append(codes, code.(string))
			}
		}
	}
	return codes
}

// see records an answer.
func (r *refusals) see(req *http.Request, a apiclient.Answer) {
	if a.Status < 400 {
		return
	}
	for _, route := range r.routes {
		if route.method == req.Method && route.path.MatchString(req.URL.Path) {
			r.mu.Lock()
			r.given[fmt.Sprintf("%s %d %s", route.operation, a.Status, a.Code())] = true
			r.mu.Unlock()
			return
		}
	}
}

// unmet are listed refusals that no end-to-end test provokes. Refusals between services are not here: each service's
// contract test provokes them.
var unmet = []string{
	// They depend on timing, or on settings that these tests do not change. The services' own tests provoke them.
	"becomeFirstAdmin 409 secret_used", "checkOut 409 checkout_expired",
	"releaseHold 409 order_not_cancellable",
	"deleteAccount 403 banned", "pay 402 authentication_failed",
	"pay 409 currency_not_supported", "stripeNotice 404 not_found",
}

// neverGiven returns the listed refusals that no test has provoked.
func (r *refusals) neverGiven() (missing []string) {
	for refusal := range r.listed {
		if !r.given[refusal] && !slices.Contains(unmet, refusal) {
			missing = append(missing, refusal)
		}
	}
	slices.Sort(missing)
	return missing
}

// Refusals that no other test provokes, each on its own route.
func TestRefusalsThatOnlyOneRouteGives(t *testing.T) {
	mine, me := newTargets(t)
	stranger, merchant := newMember(t), newMember(t)
	roles := map[string]any{"roles": []string{"customer", "seller"}}
	if err := admin.Want(t.Context(), http.StatusOK, http.MethodPut, "/v1/admin/users/"+merchant.id+"/roles", roles,
		nil); err != nil {
		t.Fatal(err)
	}
	merchant = signIn(t, merchant.email)
	const nowhere = "4611686018427387904"
	line := func(id string) map[string]any {
		return map[string]any{"items": []any{map[string]any{"product_id": id, "quantity": 1}}}
	}
	key, other := apiclient.Key(), order(t, me.Client, mine.address, mine.product, 1)
	for _, c := range []struct {
		who          *apiclient.Client
		method, path string
		body         any
		key, code    string // "": no key; no refusal expected
	}{
		{me.Client, "POST", "/v1/cart/items", map[string]any{"product_id": nowhere, "quantity": 1}, "", "not_found"},
		{me.Client, "POST", "/v1/checkout/quote", line(nowhere), "", "not_for_sale"},
		{stranger.Client, "POST", "/v1/checkout/quote", map[string]any{}, "", "empty_cart"},
		{me.Client, "POST", "/v1/checkout/quote", line(mine.product), key, ""},
		{me.Client, "POST", "/v1/checkout/quote", map[string]any{}, key, "idempotency_key_reused"},
		{me.Client, "POST", "/v1/payments/" + mine.payment + "/cancel", nil, key + "p", "payment_not_cancellable"},
		{me.Client, "POST", "/v1/payments/" + nowhere + "/cancel", nil, key + "p", "idempotency_key_reused"},
		{me.Client, "POST", "/v1/orders/" + mine.order + "/cancel", nil, key + "c", ""},
		{me.Client, "POST", "/v1/orders/" + other.ID + "/cancel", nil, key + "c", "idempotency_key_reused"},
		{admin, "POST", "/v1/admin/holds/" + other.ID + "/release", map[string]any{"reason": "tests"}, key + "h", ""},
		{admin, "POST", "/v1/admin/holds/" + mine.order + "/release", map[string]any{"reason": "tests"}, key + "h",
			"idempotency_key_reused"},
		{seller, "POST", "/v1/products/" + mine.product + "/stock", map[string]any{"delta": -1000, "reason": "loss"}, "",
			"insufficient_stock"},
		{merchant.Client, "DELETE", "/v1/me", map[string]any{"password": apiclient.Password}, "", "seller_account"},
		{admin, "DELETE", "/v1/me", map[string]any{"password": apiclient.Password}, "", "last_admin"},
	} {
		var with []string
		if c.key != "" {
			with = []string{"Idempotency-Key", c.key}
		}
		if a := do(t, c.who, c.method, c.path, c.body, with...); a.Code() != c.code || c.code == "" && a.Status >= 300 {
			t.Errorf("%s %s: %s, want %q", c.method, c.path, a, c.code)
		}
	}
}
