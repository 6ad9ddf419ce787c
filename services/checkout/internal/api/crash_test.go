package api_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

// fakePeers are product, order and cart. The checkout's process can be killed before or after a call of each.
type fakePeers struct {
	cart   []checkout.Item
	holds  map[string]string // order id → what is held
	orders map[string]string // order id → what was ordered, and where it goes
	killed string            // the call during which the process dies, "" for none
	turned error             // order's answer before it has looked at the request
}

var errKilled = errors.New("killed")

func (w *fakePeers) die(at string) {
	if w.killed == at {
		panic(errKilled)
	}
}

func (w *fakePeers) Items(context.Context) ([]checkout.Item, error) {
	w.die("before cart")
	return w.cart, nil
}

func (w *fakePeers) Hold(_ context.Context, id string, items []checkout.Item) (checkout.Held, error) {
	w.die("before hold")
	w.holds[id] = fmt.Sprint(items)
	w.die("after hold")
	var held checkout.Held
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

func (w *fakePeers) Place(_ context.Context, r checkout.Record, _ []checkout.Line, _ checkout.Totals) (checkout.Order,
	error) {
	w.die("before order")
	if w.turned != nil {
		return nil, w.turned
	}
	if w.orders[r.OrderID] == "" {
		w.orders[r.OrderID] = fmt.Sprint(r.Items, " to ", r.PostalAddress.City)
	}
	w.die("after order")
	return json.Marshal(map[string]string{"id": r.OrderID})
}

func (w *fakePeers) Fence(_ context.Context, id string) (bool, error) { return w.orders[id] != "", nil }

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
}

func open(t *testing.T) *fixture {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, lease.Migrations, idempotency.Migrations, store.Migrations)
	source, err := lease.NewSource(t.Context(), db, log)
	if err != nil {
		t.Fatal(err)
	}
	w := &fakePeers{cart: []checkout.Item{{ProductID: "5", Quantity: 2}}, holds: map[string]string{},
		orders: map[string]string{}}
	kept := store.New(db)
	if _, err := kept.Add(t.Context(), checkout.Address{ID: "1", UserID: "7",
		PostalAddress: checkout.PostalAddress{City: "Wuhan", Country: "CN"}}); err != nil {
		t.Fatal(err)
	}
	service := checkout.NewService(kept, w, w, w, func() checkout.Shipping { return checkout.Shipping{} },
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
	api.Routes(s, inbox.New(db, nil, log), idempotency.New(db, source, []byte("hmac"), log), kept, service)
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
	return &fixture{fakePeers: w, t: t, db: db, web: s, token: signed}
}

// checkOut sends the same request each time: the cart, to address 1. It returns the order's id or the refusal's code.
func (c *fixture) checkOut() (id, code string) {
	c.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/v1/checkout", strings.NewReader(`{"address_id":"1"}`))
	for name, value := range map[string]string{"dapr-api-token": "secret", "dapr-caller-app-id": "api-gateway",
		"Authorization": "Bearer " + c.token, "Idempotency-Key": "k"} {
		req.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	c.web.ServeHTTP(rec, req)
	var a struct{ ID, Code string }
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		c.t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	return a.ID, a.Code
}

func (c *fixture) sql(text string) {
	c.t.Helper()
	if err := c.db.Exec(text).Error; err != nil {
		c.t.Fatal(err)
	}
}

// The process dies between any two steps of a checkout. Until the dead run's lease ends its key stays taken; then the
// same request goes on with the same order id and with what the first run committed, whatever the cart and the address
// are by now.
func TestACheckoutGoesOnWhereItsProcessDied(t *testing.T) {
	for at, committed := range map[string]bool{"before cart": false, "before hold": true, "after hold": true,
		"before order": true, "after order": true} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			c.killed = at
			if _, code := c.checkOut(); code != "internal" {
				t.Fatalf("the run that dies answers %q", code)
			}
			if len(c.holds) > 1 || !committed && len(c.holds) > 0 {
				t.Errorf("holds after the death: %v", c.holds)
			}
			c.killed = ""
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
					t.Errorf("nothing was committed, and now: order %q, %q; want a refusal by what is true now", id, code)
				}
				return
			}
			if code != "" || len(c.orders) != 1 || c.orders[id] != "[{5 2}] to Wuhan" || len(c.holds) != 1 ||
				c.holds[id] != "[{5 2}]" {
				t.Errorf("order %q, %q; orders %v, holds %v; want the one that was begun", id, code, c.orders, c.holds)
			}
			if again, _ := c.checkOut(); again != id {
				t.Errorf("once more: order %q, want %q", again, id)
			}
		})
	}
}

// The access token expires between the gateway and order, which answers 401. A 401 is inconclusive: an earlier run may
// have placed the order. So nothing is released, and the shopper, signed in again, goes on with the same key.
func TestATokenThatRunsOutOnTheWayIsNoAnswer(t *testing.T) {
	for name, placed := range map[string]bool{"the order was placed before": true, "the first run": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			if placed {
				c.killed = "after order"
				c.checkOut()
				c.killed = ""
				c.sql("UPDATE idempotency_keys SET lease_until = now() - interval '1 second'")
			}
			c.turned = fmt.Errorf("order: %w", problem.New(problem.Unauthenticated, "unauthenticated", "Sign in."))
			if id, code := c.checkOut(); code != "unauthenticated" || len(c.holds) != 1 {
				t.Errorf("turned away: order %q, %q, holds %v; want to be asked to sign in, and the hold to stay", id, code,
					c.holds)
			}
			c.turned = nil
			if id, code := c.checkOut(); code != "" || len(c.orders) != 1 || c.orders[id] == "" {
				t.Errorf("signed in again: order %q, %q; orders %v; want the one order", id, code, c.orders)
			}
		})
	}
}
