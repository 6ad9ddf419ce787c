//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// caller is a client with the rights that its token gives.
type caller struct {
	name  string
	token string
	roles []string // nil: not authenticated
	owns  bool     // whether the objects in the request are the caller's
}

// callers are all kinds of clients: with a valid token of each role, without one, and with forged ones.
func callers(t *testing.T, owner member) []caller {
	t.Helper()
	other, banned := newMember(t), newMember(t)
	ban(t, banned)
	list := []caller{
		{name: "anonymous"},
		{"the customer", owner.Token, []string{"customer"}, true},
		{"another customer", other.Token, []string{"customer"}, false},
		{"the seller", bearer(t, seller), []string{"customer", "seller"}, true},
		{"another seller", bearer(t, rival), []string{"customer", "seller"}, false},
		{"an admin", bearer(t, admin), []string{"customer", "admin"}, false},
		{"a banned customer", banned.Token, nil, false},
	}
	for name, token := range forgeries(t, owner) {
		list = append(list, caller{name: name, token: token})
	}
	return list
}

// ban bans a user and waits until the token is void.
func ban(t *testing.T, who member) {
	t.Helper()
	if err := admin.Want(t.Context(), http.StatusNoContent, http.MethodPut, "/v1/admin/users/"+who.id+"/ban",
		map[string]string{"reason": "tests"}, nil); err != nil {
		t.Fatal(err)
	}
	waitUntilVoid(t, who.Client)
}

// waitUntilVoid waits until a token is void.
func waitUntilVoid(t *testing.T, c *apiclient.Client) {
	t.Helper()
	err := eventually(t.Context(), 10*time.Second, func() error {
		a, err := c.Do(t.Context(), http.MethodGet, "/v1/me", nil)
		if err == nil && a.Status != http.StatusUnauthorized {
			err = fmt.Errorf("the token still works: %s", a)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// verdict is what openapi.yaml declares for a caller of a route.
type verdict string

const (
	passes  verdict = "passes"
	unknown verdict = "401"
	denied  verdict = "403"
	missing verdict = "404"
)

// declared derives the verdict from x-mall-access, x-mall-also and x-mall-owner.
func declared(op operation, c caller) verdict {
	also := slices.ContainsFunc(op.Also, func(role string) bool { return slices.Contains(c.roles, role) })
	switch {
	case op.Access == "anyone" || op.Access == "operator":
		return passes
	case c.roles == nil:
		return unknown
	case !slices.Contains(c.roles, op.Access) && !also:
		return denied
	case op.Owner && !also && !ownerOf(op, c):
		return missing
	}
	return passes
}

// ownerOf reports whether the objects in the request are the caller's: products belong to the seller, all others to the
// customer.
func ownerOf(op operation, c caller) bool {
	return c.owns && slices.Contains(c.roles, "seller") == strings.HasPrefix(op.Path, "/v1/products")
}

// Every route answers every kind of caller as openapi.yaml declares. A route without a declared audience fails the
// test.
func TestEveryRouteAllowsWhomItDeclares(t *testing.T) {
	ops := operations(t)
	mine, me := newTargets(t)
	everybody := callers(t, me)
	before := mine.stateOf(t, me)
	t.Run("refused", func(t *testing.T) {
		for _, op := range ops {
			t.Run(op.ID, func(t *testing.T) {
				t.Parallel()
				if !slices.Contains([]string{"anyone", "customer", "seller", "admin", "operator"}, op.Access) {
					t.Fatalf("x-mall-access is %q: declare in openapi.yaml who may call %s %s", op.Access, op.Method, op.Path)
				}
				for _, c := range everybody {
					want := declared(op, c)
					if want == passes {
						continue
					}
					a := do(t, visitor.As(c.token), op.Method, mine.path(op, me), jsonOf(mine.body(op)), headers(op)...)
					if wrong := refusal(a, map[verdict]int{unknown: 401, denied: 403, missing: 404}[want]); wrong != "" {
						t.Errorf("%s: %s", c.name, wrong)
					}
					if want == unknown && !strings.HasPrefix(a.Header.Get("Www-Authenticate"), "Bearer") {
						t.Errorf("%s: WWW-Authenticate %q, want Bearer", c.name, a.Header.Get("Www-Authenticate"))
					}
				}
			})
		}
	})
	mine.unchanged(t, me, before)
	t.Run("allowed", func(t *testing.T) {
		for _, op := range ops {
			t.Run(op.ID, func(t *testing.T) {
				t.Parallel()
				for _, c := range everybody {
					if declared(op, c) == passes {
						mustSucceed(t, op, c)
					}
				}
			})
		}
	})
}

// mustSucceed sends a complete request, with objects made for it alone: it must succeed.
func mustSucceed(t *testing.T, op operation, c caller) {
	t.Helper()
	who := visitor.As(c.token)
	theirs := targets{}
	target := member{}
	asks := func(prefix string) bool { return strings.HasPrefix(op.Path, prefix) }
	// Customers use their own objects, sellers their own product, and admins those of any user.
	owner := who
	if op.Owner && !ownerOf(op, c) { // allowed by a role: the objects belong to another user
		m := newMember(t)
		owner = m.Client
	}
	if asks("/v1/products") || asks("/v1/cart") || asks("/v1/checkout") || asks("/v1/orders") || asks("/v1/payments") ||
		asks("/v1/sandbox") {
		theirs.product = product(t, "Matrix tea", 300, 20).ID
	}
	if asks("/v1/addresses") || asks("/v1/checkout") || asks("/v1/orders") || asks("/v1/payments") || asks("/v1/sandbox") {
		var err error
		if theirs.address, err = owner.Address(t.Context(), "Shanghai"); err != nil {
			t.Fatal(err)
		}
	}
	if asks("/v1/admin/holds/") || asks("/v1/admin/orders/") {
		m, at := shopper(t)
		theirs.order = order(t, m, at, product(t, "Released tea", 300, 5).ID, 1).ID
	}
	if asks("/v1/orders/") || asks("/v1/payments") || asks("/v1/sandbox") {
		theirs.order = order(t, owner, theirs.address, theirs.product, 1).ID
	}
	if asks("/v1/payments/") || asks("/v1/sandbox/") {
		var p apiclient.Payment
		card := apiclient.CardGood
		if asks("/v1/sandbox/") {
			card = apiclient.CardAsked
		}
		a, err := owner.Pay(t.Context(), apiclient.Key(), theirs.order, card)
		if err != nil || a.Status != http.StatusCreated || a.Into(&p) != nil {
			t.Fatalf("pay: %s, %v", a, err)
		}
		theirs.payment = p.ID
	}
	body := theirs.body(op)
	want := []int{op.Success}
	switch op.ID {
	case "setRoles", "banUser", "unbanUser":
		target = newMember(t)
	case "importProducts", "getImport":
		a := importFile(t, who, "application/jsonl", "?dry_run=true", []byte(`{"sku":"A","name":"Tea","price":1}`))
		if op.ID == "getImport" {
			a = do(t, who, op.Method, a.Header.Get("Location"), nil)
		}
		if a.Status != op.Success {
			t.Errorf("%s: %s, want %d", c.name, a, op.Success)
		}
		return
	case "addPicture":
		if a := upload(t, who, theirs.product, drawing(t, 40)); a.Status != op.Success && a.Status != http.StatusCreated {
			t.Errorf("%s: %s", c.name, a)
		}
		return
	case "getPicture":
		a := upload(t, seller, product(t, "Matrix tea", 300, 20).ID, drawing(t, 41))
		if a = do(t, who, op.Method, a.Header.Get("Location"), nil); a.Status != op.Success {
			t.Errorf("%s: %s", c.name, a)
		}
		return
	case "retryParkedEvent", "dropParkedEvent":
		path := strings.NewReplacer("{service}", "product", "{event}", parkedEvent(t)).Replace(op.Path)
		if a := do(t, who, op.Method, path, jsonOf(body)); a.Status != op.Success {
			t.Errorf("%s: %s", c.name, a)
		}
		return
	case "putProductBySKU":
		want = []int{http.StatusCreated}
	case "getProductBySKU":
		do(t, who, http.MethodPut, theirs.path(op, target), theirs.body(operation{ID: "putProductBySKU"}))
	case "signOut":
		m := newMember(t) // so that the caller's own session is not ended
		who = m.Client
	case "refreshSession":
		body["refresh_token"] = newMember(t).refresh
	case "checkOut":
		delete(body, "expected_total")
	case "endSession":
		m := newMember(t)
		who, theirs.session = m.Client, sessionOf(t, m.Client)
	case "changePassword":
		m := newMember(t)
		who, body["current_password"] = m.Client, apiclient.Password
	case "deleteAccount":
		m := newMember(t)
		who, body["password"] = m.Client, apiclient.Password
	case "askEmailVerification":
		who = newMember(t).Client
	case "resetPassword", "verifyEmail":
		want = []int{http.StatusUnprocessableEntity} // the code is only in a mail (TestAnAccountFromSignUpToDeletion)
	case "becomeFirstAdmin":
		want = []int{http.StatusConflict} // this mall has an admin
	case "getStockOfOrder": // known as soon as the event of the order has arrived
		err := eventually(t.Context(), waitFor, func() error {
			return who.Want(t.Context(), op.Success, op.Method, theirs.path(op, target), nil, nil)
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		return
	case "getAudit":
		want = append(want, http.StatusNotFound) // nobody has run one yet
	case "cancelPayment":
		want = append(want, http.StatusConflict) // it may have been settled meanwhile
	}
	sent, with := jsonOf(body), headers(op)
	if op.ID == "stripeNotice" {
		notice, signature := signed("payment_intent.succeeded", `{"id":"pi_1","object":"payment_intent"}`)
		sent, with = notice, []string{"Stripe-Signature", signature}
	}
	a := do(t, who, op.Method, theirs.path(op, target), sent, with...)
	if !slices.Contains(want, a.Status) {
		t.Errorf("%s: %s, want %v", c.name, a, want)
	}
}

// Orders, payments, addresses and products of others are answered exactly like ones that do not exist.
func TestObjectsOfOthersLookMissing(t *testing.T) {
	mine, me := newTargets(t)
	stranger := newMember(t)
	before := mine.stateOf(t, me)
	nowhere := targets{product: "4611686018427387904", address: "4611686018427387904", order: "4611686018427387904",
		payment: "4611686018427387904",
		session: "4611686018427387904"}
	for _, op := range operations(t) {
		if !op.Owner {
			continue
		}
		who := stranger.Client
		if op.Access == "seller" {
			who = rival
		}
		foreign := do(t, who, op.Method, mine.path(op, me), jsonOf(mine.body(op)), headers(op)...)
		absent := do(t, who, op.Method, nowhere.path(op, me), jsonOf(mine.body(op)), headers(op)...)
		if wrong := refusal(foreign, http.StatusNotFound); wrong != "" || !sameRefusal(foreign, absent) {
			t.Errorf("%s: of another user: %s %s; one that does not exist: %s", op.ID, foreign, wrong, absent)
		}
	}
	// The same holds for ids in bodies.
	line := map[string]any{"product_id": mine.product, "quantity": 1}
	card := mine.body(operation{ID: "pay"})["card"]
	for what, c := range map[string]struct {
		path          string
		foreign, none any
	}{
		"checkout to another user's address": {"/v1/checkout",
			map[string]any{"address_id": mine.address, "items": []any{line}},
			map[string]any{"address_id": nowhere.address, "items": []any{line}}},
		"payment of another user's order": {"/v1/payments", map[string]any{"order_id": mine.order, "card": card},
			map[string]any{"order_id": nowhere.order, "card": card}},
	} {
		foreign := do(t, stranger.Client, http.MethodPost, c.path, c.foreign, "Idempotency-Key", apiclient.Key())
		absent := do(t, stranger.Client, http.MethodPost, c.path, c.none, "Idempotency-Key", apiclient.Key())
		if wrong := refusal(foreign, http.StatusNotFound); wrong != "" || !sameRefusal(foreign, absent) {
			t.Errorf("%s: %s %s; one that does not exist: %s", what, foreign, wrong, absent)
		}
	}
	mine.unchanged(t, me, before)
}
