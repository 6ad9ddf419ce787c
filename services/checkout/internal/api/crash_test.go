package api_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"gorm.io/gorm"

	"daprmall.dev/services/checkout/internal/api"
	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/ids/lease"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
)

// fakePeers are product, order and cart. The checkout's process can die before or after a call of each.
type fakePeers struct {
	t           *testing.T
	cart        []checkout.Item
	unreachable error             // the error of cart while it is unreachable
	taken       []string          // the orders that were taken out of the cart
	asked       int               // the number of calls to cart
	holds       map[string]string // order id → what is held
	orders      map[string]string // order id → what was ordered, and its address
	killed      string            // the call during which the process dies, "" for none
	dead        chan struct{}     // closed when it has died
	refusal     error             // a refusal of order before it has processed the request
}

// die ends a run as a crash does: the run's goroutine stops.
func (w *fakePeers) die(at string) {
	if w.killed == at {
		close(w.dead)
		<-w.t.Context().Done()
		runtime.Goexit()
	}
}

func (w *fakePeers) Contents(context.Context) (checkout.CartContents, error) {
	w.asked++
	w.die("before cart")
	return checkout.CartContents{Items: w.cart, Applied: w.taken}, w.unreachable
}

func (w *fakePeers) Take(_ context.Context, orderID string, items []checkout.Item) error {
	if slices.Contains(w.taken, orderID) {
		return nil
	}
	w.taken = append(w.taken, orderID)
	w.cart = slices.DeleteFunc(slices.Clone(w.cart), func(in checkout.Item) bool {
		return slices.ContainsFunc(items, func(it checkout.Item) bool { return it.ProductID == in.ProductID })
	})
	return nil
}

func (w *fakePeers) Hold(_ context.Context, id string, items []checkout.Item, _ int64) (checkout.HoldResult,
	error) {
	w.die("before hold")
	w.holds[id] = fmt.Sprint(items)
	w.die("after hold")
	var held checkout.HoldResult
	for _, it := range items {
		held.Lines = append(held.Lines, checkout.Line{ProductID: it.ProductID, Price: 100, Currency: "CNY",
			Quantity: it.Quantity})
	}
	return held, nil
}

func (w *fakePeers) Release(_ context.Context, id string) error {
	delete(w.holds, id)
	return nil
}

func (w *fakePeers) Products(context.Context, []checkout.Item) ([]checkout.Line, error) {
	return nil, nil
}

func (w *fakePeers) Place(_ context.Context, r checkout.Record, _ []checkout.Line, _ checkout.Totals,
	_ int64) (checkout.Order,
	error) {
	w.die("before order")
	if w.refusal != nil {
		return nil, w.refusal
	}
	if w.orders[r.OrderID] == "" {
		w.orders[r.OrderID] = fmt.Sprint(r.Items, " to ", r.PostalAddress.City)
	}
	w.die("after order")
	return json.Marshal(map[string]string{"id": r.OrderID})
}

func (w *fakePeers) Fence(_ context.Context, id string) (bool, error) { return w.orders[id] != "", nil }

func (w *fakePeers) AwaitsPayment(_ context.Context, id string) (due time.Time, err error) {
	if _, exists := w.orders[id]; exists {
		due = time.Now().Add(time.Minute)
	}
	return due, nil
}

func (w *fakePeers) Show(_ context.Context, id string) (checkout.Order, error) {
	return json.Marshal(map[string]string{"id": id})
}

func (w *fakePeers) ChangeAddress(context.Context, string, checkout.PostalAddress) (checkout.Order, error) {
	return nil, problem.NewNotFound("order")
}

// fixture is the service's HTTP side over a real database, as its sidecar sees it.
type fixture struct {
	*fakePeers
	t     *testing.T
	db    *gorm.DB
	web   http.Handler
	token string

	watched *postgrestest.Watched
}

// peers are the services that checkout calls.
type peers interface {
	checkout.Cart
	checkout.Stock
	checkout.Orders
}

func open(t *testing.T) *fixture {
	t.Helper()
	return openWith(t, func(w *fakePeers) peers { return w })
}

func openWith(t *testing.T, reach func(*fakePeers) peers) *fixture {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, lease.Migrations, idempotency.Migrations, store.Migrations)
	source, err := lease.NewSource(t.Context(), db, log)
	if err != nil {
		t.Fatal(err)
	}
	w := &fakePeers{t: t, cart: []checkout.Item{{ProductID: "5", Quantity: 2}}, holds: map[string]string{},
		orders: map[string]string{}}
	watched := postgrestest.Watch(db)
	addresses := store.New(watched.DB)
	keys := idempotency.New(watched.DB, source, []byte("hmac"), log)
	if _, err := addresses.Add(t.Context(), checkout.Address{ID: "1", UserID: "7",
		PostalAddress: checkout.PostalAddress{City: "Wuhan", Country: "CN"}}); err != nil {
		t.Fatal(err)
	}
	service := checkout.NewService(addresses, store.NewCheckouts(watched.DB), keys, reach(w), reach(w), reach(w),
		func() checkout.Shipping { return checkout.Shipping{} }, func() checkout.Caps { return checkout.Caps{} },
		func() string { return "CNY" }, log)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(config.Env{AppID: "checkout", AppAPIToken: "secret"}, log,
		identity.NewVerifier(func(context.Context) (identity.KeySet, error) {
			return identity.KeySet{Keys: []identity.Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k",
				X: base64.RawURLEncoding.EncodeToString(public)}}}, nil
		}))
	api.Routes(s, inbox.New(db, nil, log), keys, addresses, service)
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA,
		identity.Claims{Roles: []string{"customer"}, Session: "s", Type: identity.AccessType, IssuedMS: now.UnixMilli(),
			RegisteredClaims: jwt.RegisteredClaims{Issuer: identity.Issuer, Audience: jwt.ClaimStrings{identity.Audience},
				Subject:  "7",
				IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute))}})
	token.Header["kid"] = "k"
	signed, err := token.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{fakePeers: w, t: t, db: db, web: s, token: signed, watched: watched}
}

const theCart = `{"address_id":"1"}`

// checkOut sends the same request each time: the cart, to address 1. It returns the order's id or the code of the
// refusal.
func (c *fixture) checkOut() (id, code string) {
	c.t.Helper()
	return c.send("k", theCart)
}

func (c *fixture) send(key, body string) (id, code string) {
	c.t.Helper()
	rec := c.serve(key, body)
	var a struct{ ID, Code string }
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		c.t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	return a.ID, a.Code
}

func (c *fixture) serve(key, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/v1/checkout", strings.NewReader(body))
	for name, value := range map[string]string{"dapr-api-token": "secret", "dapr-caller-app-id": "api-gateway",
		"Authorization": "Bearer " + c.token, "Idempotency-Key": key} {
		req.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	c.web.ServeHTTP(rec, req)
	return rec
}

// dies sends a request and waits until its process has died at the given point.
func (c *fixture) dies(at, body string) {
	c.t.Helper()
	c.killed, c.dead = at, make(chan struct{})
	go c.serve("k", body)
	<-c.dead
	c.killed = ""
}

func (c *fixture) sql(text string) {
	c.t.Helper()
	if err := c.db.Exec(text).Error; err != nil {
		c.t.Fatal(err)
	}
}

// The process dies between any two steps of a checkout. Until the dead run's lease ends, its key stays taken. Then the
// same request continues with the same order id and with what the first run committed, whatever cart and address are by
// then.
func TestACheckoutContinuesWhereItsProcessDied(t *testing.T) {
	for at, committed := range map[string]bool{"before cart": false, "before hold": true, "after hold": true,
		"before order": true, "after order": true} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			c.dies(at, theCart)
			if len(c.holds) > 1 || !committed && len(c.holds) > 0 {
				t.Errorf("holds after the death: %v", c.holds)
			}
			if committed {
				if _, code := c.checkOut(); code != "request_in_progress" {
					t.Errorf("while the dead run's lease lasts: %q, want request_in_progress", code)
				}
			}
			c.cart = nil // meanwhile the shopper has emptied the cart and changed the address
			c.sql("UPDATE addresses SET removed_at = now()")
			c.sql("UPDATE idempotency_keys SET lease_until = now() - interval '1 second'")
			id, code := c.checkOut()
			if !committed {
				if code != "not_found" || len(c.orders) > 0 {
					t.Errorf("after a run that committed nothing: order %q, %q; want a refusal because of the present state", id, code)
				}
				return
			}
			if code != "" || len(c.orders) != 1 || c.orders[id] != "[{5 2 <nil>}] to Wuhan" || len(c.holds) != 1 ||
				c.holds[id] != "[{5 2 <nil>}]" {
				t.Errorf("order %q, %q; orders %v, holds %v; want the one that was begun", id, code, c.orders, c.holds)
			}
			if again, _ := c.checkOut(); again != id {
				t.Errorf("once more: order %q, want %q", again, id)
			}
		})
	}
}

// The access token expires between the gateway and order, which answers 401. A 401 is inconclusive: an earlier run may
// have placed the order. So nothing is released, and after signing in again the shopper continues with the same key.
func TestATokenThatExpiresDuringACheckoutIsInconclusive(t *testing.T) {
	for name, placed := range map[string]bool{"the order was placed before": true, "the first run": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			if placed {
				c.dies("after order", theCart)
				c.sql("UPDATE idempotency_keys SET lease_until = now() - interval '1 second'")
			}
			c.refusal = fmt.Errorf("order: %w", problem.New(problem.Unauthenticated, "unauthenticated", "Sign in."))
			if id, code := c.checkOut(); code != "unauthenticated" || len(c.holds) != 1 {
				t.Errorf("refused by order: order %q, %q, holds %v; want unauthenticated, and the hold to stay", id, code,
					c.holds)
			}
			c.refusal = nil
			if id, code := c.checkOut(); code != "" || len(c.orders) != 1 || c.orders[id] == "" {
				t.Errorf("signed in again: order %q, %q; orders %v; want the one order", id, code, c.orders)
			}
		})
	}
}

// A request that names its items continues with the record, too, although its address is read again.
func TestACheckoutOfNamedItemsContinuesWithTheRecord(t *testing.T) {
	c := open(t)
	const named = `{"address_id":"1","items":[{"product_id":"9","quantity":3}],"expected_total":300}`
	c.dies("before hold", named)
	c.sql("UPDATE addresses SET removed_at = now()")
	c.sql("UPDATE idempotency_keys SET lease_until = now() - interval '1 second'")
	if id, code := c.send("k", named); code != "" || c.orders[id] != "[{9 3 <nil>}] to Wuhan" || c.asked > 0 {
		t.Errorf("order %q, %q; orders %v", id, code, c.orders)
	}
}

// A definite refusal before anything began is stored as the key's answer, an unreachable service is not. A repeat does
// not call cart.
func TestARefusalIsStoredAnOutageIsNot(t *testing.T) {
	c := open(t)
	full := c.cart
	c.unreachable = problem.NewUnavailable(context.DeadlineExceeded, 0, "cart is unreachable")
	if _, code := c.checkOut(); code != "unavailable" {
		t.Fatalf("without a cart: %q, want unavailable", code)
	}
	c.unreachable, c.cart = nil, nil
	if _, code := c.checkOut(); code != "empty_cart" {
		t.Fatalf("with an empty cart: %q, want empty_cart", code)
	}
	c.cart = full
	if _, code := c.checkOut(); code != "empty_cart" || c.asked != 2 {
		t.Errorf("the same key again: %q, cart asked %d times; want the refusal again", code, c.asked)
	}
	if id, code := c.send("other", theCart); code != "" || c.orders[id] == "" {
		t.Errorf("another key: %q, want an order", code)
	}
	c.unreachable = problem.NewUnavailable(context.DeadlineExceeded, 0, "cart is unreachable")
	if id, code := c.send("other", theCart); code != "" || c.orders[id] == "" {
		t.Errorf("again without a cart: %q, want the order", code)
	}
}

// A checkout takes three statements, each its own transaction: the address; the key with the record; the answer with
// the outcome. One more finds out whether to call cart.
func TestACheckoutIsThreeStatements(t *testing.T) {
	c := open(t)
	for body, want := range map[string]int{`{"address_id":"1","items":[{"product_id":"9","quantity":3}]}`: 3, theCart: 4} {
		before := c.watched.Runs()
		if id, code := c.send(body, body); code != "" || c.orders[id] == "" {
			t.Fatalf("%q, want an order", code)
		}
		if n := c.watched.Runs() - before; n != want {
			t.Errorf("%s: %d statements, want %d", body, n, want)
		}
	}
}

// Older versions stored the record as JSON with the key. A checkout that they began is finished with the same order id.
func TestACheckoutOfAnOlderVersionIsFinished(t *testing.T) {
	c := open(t)
	c.dies("before hold", theCart)
	c.sql(`UPDATE idempotency_keys SET lease_until = now(), record = '{"user_id":"7","items":[{"product_id":"9",
		"quantity":3}],"place":{"recipient":"Li","street":"","city":"Ulm","state":"","country":"DE","postal_code":""},
		"from_cart":false,"expected_total":300}'`)
	var begun string
	if err := c.db.Raw("DELETE FROM checkouts RETURNING order_id").Scan(&begun).Error; err != nil {
		t.Fatal(err)
	}
	if id, code := c.checkOut(); id != begun || code != "" || c.orders[id] != "[{9 3 <nil>}] to Ulm" {
		t.Errorf("order %q, %q, want %s; orders %v", id, code, begun, c.orders)
	}
	var kept string
	if err := c.db.Raw("SELECT concat_ws(' ', order_id, user_id, key, state, from_cart, expected_total) FROM checkouts").
		Scan(&kept).Error; err != nil || kept != begun+" 7 k placed f 300" {
		t.Errorf("stored %q, %v", kept, err)
	}
}
