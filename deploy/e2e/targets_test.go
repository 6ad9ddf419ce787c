//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// targets are objects of one user at which invalid requests are aimed.
type targets struct {
	product, address, order, payment, session string
}

// newTargets gives a new member one object of each kind, none of which changes by itself.
func newTargets(t *testing.T) (targets, member) {
	t.Helper()
	me := newMember(t)
	address, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	p := product(t, "Tea under test", 1200, 50)
	paid := order(t, me.Client, address, p.ID, 1)
	a, err := me.Pay(t.Context(), apiclient.Key(), paid.ID, apiclient.CardGood)
	var payment apiclient.Payment
	if err != nil || a.Status != http.StatusCreated || a.Into(&payment) != nil {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me.Client, paid.ID, "paid")
	unpaid := order(t, me.Client, address, p.ID, 2)
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
		apiclient.Line{ProductID: p.ID, Quantity: 3}, nil); err != nil {
		t.Fatal(err)
	}
	waitAvailable(t, p.ID, 47)
	var open struct{ Items []struct{ ID string } }
	if err := me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/sessions", nil, &open); err != nil ||
		len(open.Items) == 0 {
		t.Fatalf("sessions: %v, %v", open, err)
	}
	return targets{product: p.ID, address: address, order: unpaid.ID, payment: payment.ID, session: open.Items[0].ID}, me
}

// path fills the parameters of a route's path.
func (s targets) path(op operation, me member) string {
	op.Path = strings.NewReplacer("{service}", "product", "{event}", "nothing").Replace(op.Path)
	id := map[string]string{"/v1/products": s.product, "/v1/addresses": s.address, "/v1/orders": s.order,
		"/v1/payments": s.payment, "/v1/sandbox/payments": s.payment, "/v1/admin": me.id, "/v1/sessions": s.session}
	if strings.HasPrefix(op.Path, "/v1/admin/holds") || strings.HasPrefix(op.Path, "/v1/admin/orders") {
		return strings.ReplaceAll(op.Path, "{id}", s.order)
	}
	if strings.Contains(op.Path, "{sku}") {
		return strings.ReplaceAll(op.Path, "{sku}", "tea%20"+s.product)
	}
	for prefix, v := range id {
		if strings.HasPrefix(op.Path, prefix) {
			return strings.ReplaceAll(op.Path, "{id}", v)
		}
	}
	return strings.NewReplacer("{product_id}", s.product, "{code}", "CN", "{name}", strings.Repeat("0", 32)).
		Replace(op.Path)
}

// body returns a valid body for a route, for tests to modify.
func (s targets) body(op operation) map[string]any {
	line := map[string]any{"product_id": s.product, "quantity": 2}
	return map[string]map[string]any{
		"signUp":         {"email": newEmail(), "password": apiclient.Password},
		"signIn":         {"email": "seller@mall.local", "password": apiclient.Password},
		"refreshSession": {"refresh_token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"createProduct": {"name": "Spoilt tea", "description": "d", "category": "tests", "image_url": "/images/x.jpg",
			"pictures": []any{map[string]any{"url": "/images/x.jpg", "alt": "Tea"}}, "price": 100, "stock": 5},
		"putProductBySKU": {"name": "Spoilt tea", "description": "d", "category": "tests", "image_url": "/images/x.jpg",
			"pictures": []any{map[string]any{"url": "/images/x.jpg", "alt": "Tea"}}, "price": 100, "stock": 5},
		"changeProduct": {"name": "Spoilt tea", "description": "d", "category": "tests", "image_url": "/images/x.jpg",
			"pictures": []any{map[string]any{"url": "/images/x.jpg", "alt": "Tea"}}, "price": 100},
		"adjustStock":        {"delta": 5, "reason": "delivery"},
		"addToCart":          line,
		"setInCart":          {"quantity": 7},
		"addAddress":         address("Beijing"),
		"replaceAddress":     address("Beijing"),
		"quote":              {"items": []any{line}},
		"checkOut":           {"address_id": s.address, "items": []any{line}, "expected_total": 2400},
		"changeOrderAddress": {"address_id": s.address},
		"pay": {"order_id": s.order, "card": map[string]any{"number": apiclient.CardGood, "exp_month": 12,
			"exp_year": 2035, "cvc": "123"}},
		"confirmInSandbox": {"approve": true},
		"stripeNotice":     {"id": "evt_1", "type": "payment_intent.succeeded"},
		"dropParkedEvent":  {"reason": "a test sent it"},
		"askPasswordReset": {"email": newEmail()},
		"resetPassword":    {"token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "password": "another pass phrase"},
		"verifyEmail":      {"token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"changePassword":   {"current_password": "not " + apiclient.Password, "new_password": "another pass phrase"},
		"deleteAccount":    {"password": "not " + apiclient.Password},
		"becomeFirstAdmin": {"secret": firstAdminSecret()},
		"setRoles":         {"roles": []any{"customer"}},
		"releaseHold":      {"reason": "tests"},
		"banUser":          {"reason": "tests"},
		"unbanUser":        {"reason": "tests"},
	}[op.ID]
}

func address(city string) map[string]any {
	return map[string]any{"recipient": "Wei Chen", "phone": "1", "street": "1 Century Avenue", "city": city, "state": city,
		"country": "CN", "postal_code": "200120"}
}

// as returns a client that may call an operation.
func as(op operation, me member) *apiclient.Client {
	switch op.Access {
	case "seller":
		return seller
	case "admin":
		return admin
	case "customer":
		return me.Client
	}
	return visitor
}

// headers returns the headers of a valid request of an operation.
func headers(op operation) []string {
	var h []string
	if op.KeyRequired {
		h = append(h, "Idempotency-Key", apiclient.Key())
	}
	if op.ID == "changeProduct" {
		h = append(h, "If-Match", `"1"`)
	}
	return h
}

// stateOf returns everything that invalid requests could have changed, as its owner sees it.
func (s targets) stateOf(t *testing.T, me member) string {
	t.Helper()
	var all strings.Builder
	for path, who := range map[string]*apiclient.Client{"/v1/me": me.Client, "/v1/cart": me.Client,
		"/v1/addresses?page_size=100": me.Client, "/v1/orders?page_size=100": me.Client,
		"/v1/payments/" + s.payment: me.Client, "/v1/products/" + s.product: visitor, "/v1/products?q=spoilt": visitor,
		"/v1/admin/users?email=" + me.email: admin} {
		a := do(t, who, http.MethodGet, path, nil)
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %s", path, a)
		}
		all.WriteString(path + "\n" + string(a.Body) + "\n")
	}
	lines := strings.Split(all.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// unchanged fails if anything has changed.
func (s targets) unchanged(t *testing.T, me member, before string) {
	t.Helper()
	was := strings.Split(before, "\n")
	for line := range strings.SplitSeq(s.stateOf(t, me), "\n") {
		if !slices.Contains(was, line) {
			t.Errorf("invalid requests changed something:\n%s", line)
		}
	}
}
