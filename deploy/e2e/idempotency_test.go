//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/services/contracts"
)

// keyedRequest is a request that must take effect once, and a count of its effects.
type keyedRequest struct {
	who          *apiclient.Client
	method, path string
	body, other  any // other: another body for the same route
	success      int
	times        func() (int64, error) // how often it took effect
}

// keyedRequests are the requests that must not take effect twice.
func keyedRequests(t *testing.T) map[string]keyedRequest {
	t.Helper()
	ctx := t.Context()
	me, addressID := shopper(t)
	p := product(t, "Once tea", 1000, 500)
	unpaid := order(t, me, addressID, p.ID, 1)
	line := apiclient.Line{ProductID: p.ID, Quantity: 1}
	count := func(path string) func() (int64, error) {
		return func() (int64, error) {
			var list struct{ Items []any }
			err := me.Want(ctx, http.StatusOK, http.MethodGet, path+"?page_size=100", nil, &list)
			return int64(len(list.Items)), err
		}
	}
	payments, products := database(t, "payment"), database(t, "product")
	card := func(number string) map[string]any {
		return map[string]any{"order_id": unpaid.ID, "card": map[string]any{"number": number, "exp_month": 12,
			"exp_year": 2035, "cvc": "123"}}
	}
	name := "Once only tea " + apiclient.Key()
	fresh := map[string]any{"name": name, "description": "d", "price": 100, "stock": 3}
	dearer := maps.Clone(fresh)
	dearer["price"] = 200
	return map[string]keyedRequest{
		"checkout": {me, http.MethodPost, "/v1/checkout",
			map[string]any{"address_id": addressID, "items": []apiclient.Line{line}},
			map[string]any{"address_id": addressID, "items": []apiclient.Line{{ProductID: p.ID, Quantity: 2}}},
			http.StatusCreated,
			count("/v1/orders")},
		"payment": {me, http.MethodPost, "/v1/payments", card(apiclient.CardGood), card(apiclient.CardDeclined),
			http.StatusCreated, func() (int64, error) {
				return number(ctx, payments, "SELECT count(*) FROM payments WHERE order_id = $1", unpaid.ID)
			}},
		"cart add": {me, http.MethodPost, "/v1/cart/items", line, apiclient.Line{ProductID: p.ID, Quantity: 2}, http.StatusOK,
			func() (int64, error) {
				var c apiclient.Cart
				if err := me.Want(ctx, http.StatusOK, http.MethodGet, "/v1/cart", nil, &c); err != nil || len(c.Items) == 0 {
					return 0, err
				}
				return c.Items[0].Quantity, nil
			}},
		"address": {me, http.MethodPost, "/v1/addresses", address("Beijing"), address("Nanjing"), http.StatusCreated,
			count("/v1/addresses")},
		"product": {seller, http.MethodPost, "/v1/products", fresh, dearer, http.StatusCreated, func() (int64, error) {
			return number(ctx, products, "SELECT count(*) FROM products WHERE name = $1", name)
		}},
		"stock": {seller, http.MethodPost, "/v1/products/" + p.ID + "/stock",
			map[string]any{"delta": 1, "reason": "delivery"},
			map[string]any{"delta": 2, "reason": "delivery"}, http.StatusOK, func() (int64, error) {
				// Stock on hand is no use here: the order that is paid meanwhile takes one away.
				return number(ctx, products, "SELECT count(*) FROM adjustments WHERE product_id = $1", p.ID)
			}},
	}
}

// Of twenty concurrent requests with one key, one takes effect; each is answered with its answer or with
// request_in_progress.
func TestConcurrentRequestsWithOneKeyTakeEffectOnce(t *testing.T) {
	for name, d := range keyedRequests(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, err := d.times()
			if err != nil {
				t.Fatal(err)
			}
			key := strings.Repeat("k", 255-26) + apiclient.Key() // the longest key allowed
			ask := func(int) (apiclient.Answer, error) {
				return d.who.Do(t.Context(), d.method, d.path, d.body, "Idempotency-Key", key)
			}
			first := ""
			for _, a := range together(t, 20, ask) {
				switch {
				case a.Status == d.success:
					if first == "" {
						first = string(a.Body)
					}
					if string(a.Body) != first {
						t.Errorf("two different answers: %s and %s", first, a)
					}
				case a.Code() == "request_in_progress" && a.Header.Get("Retry-After") != "":
				default:
					t.Errorf("%s with Retry-After %q, want %d, or 409 request_in_progress", a, a.Header.Get("Retry-After"), d.success)
				}
			}
			if first == "" {
				t.Fatal("no request was answered")
			}
			again, err := ask(0)
			if err != nil || again.Status != d.success || string(again.Body) != first ||
				again.Header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("later: %s, replayed %q, %v, want %s", again, again.Header.Get("Idempotent-Replayed"), err, first)
			}
			other := do(t, d.who, d.method, d.path, d.other, "Idempotency-Key", key)
			if wrong := refusal(other, http.StatusUnprocessableEntity); wrong != "" || other.Code() != "idempotency_key_reused" {
				t.Errorf("the same key with another body: %s %s", other, wrong)
			}
			if after, err := d.times(); err != nil || after != before+1 {
				t.Errorf("it took effect %d times, %v, want once", after-before, err)
			}
		})
	}
}

// A key belongs to its user: the same key of another user is another key.
func TestKeysBelongToUsers(t *testing.T) {
	key := apiclient.Key()
	p := product(t, "Shared key tea", 700, 10)
	ids := map[string]bool{}
	for range 2 {
		me, addressID := shopper(t)
		a, err := me.Buy(t.Context(), key, addressID, apiclient.Line{ProductID: p.ID, Quantity: 1})
		var o apiclient.Order
		if err != nil || a.Status != http.StatusCreated || a.Into(&o) != nil || a.Header.Get("Idempotent-Replayed") != "" {
			t.Fatalf("checkout: %s, %v", a, err)
		}
		ids[o.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("two shoppers with one key share %v", ids)
	}
}

// A refusal is an answer, too: its key gives the same refusal again, even when a new key would succeed.
func TestRefusalsAreReplayed(t *testing.T) {
	me, addressID := shopper(t)
	p := product(t, "Last tea", 700, 1)
	key, want := apiclient.Key(), apiclient.Line{ProductID: p.ID, Quantity: 2}
	refusedFirst, err := me.Buy(t.Context(), key, addressID, want)
	if err != nil || refusedFirst.Code() != "sold_out" {
		t.Fatalf("checkout: %s, %v", refusedFirst, err)
	}
	if err := seller.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/products/"+p.ID+"/stock",
		map[string]any{"delta": 5, "reason": "delivery"}, nil); err != nil {
		t.Fatal(err)
	}
	again, err := me.Buy(t.Context(), key, addressID, want)
	if err != nil || again.Header.Get("Idempotent-Replayed") != "true" || string(again.Body) != string(refusedFirst.Body) {
		t.Errorf("the same key: %s, %v, want the first answer again", again, err)
	}
	if !strings.Contains(string(again.Body), "new Idempotency-Key") {
		t.Errorf("the refusal does not say that only a new key helps: %s", again)
	}
	if a, err := me.Buy(t.Context(), apiclient.Key(), addressID, want); err != nil || a.Status != http.StatusCreated {
		t.Errorf("a new key: %s, %v, want 201", a, err)
	}
}

// A client that disconnects during a request and repeats it with the same key gets one order and one charge, whenever
// it disconnected.
func TestRepeatingAfterADisconnectHasOneEffect(t *testing.T) {
	p := product(t, "Hang up tea", 900, 200)
	orders, payments, charges := database(t, "order"), database(t, "payment"), database(t, "sandbox")
	const shoppers = 6
	t.Run("shopper", func(t *testing.T) {
		for i := range shoppers {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				hangUp(t, p, payments, charges)
			})
		}
	})
	if n, err := number(t.Context(), orders, "SELECT count(*) FROM order_lines WHERE product_id = $1", p.ID); err != nil ||
		n != shoppers {
		t.Errorf("%d orders of the product, %v, want %d", n, err, shoppers)
	}
	audit(t)
}

func hangUp(t *testing.T, p apiclient.Product, payments, charges *sql.DB) {
	t.Helper()
	me, addressID := shopper(t)
	disconnectAndRepeat := func(ask func(ctx context.Context) (apiclient.Answer, error)) apiclient.Answer {
		t.Helper()
		for range 6 {
			ctx, hangUp := context.WithTimeout(t.Context(), time.Duration(rand.IntN(12_000))*time.Microsecond)
			_, err := ask(ctx)
			hangUp()
			if err == nil {
				break
			}
		}
		var a apiclient.Answer
		err := eventually(t.Context(), waitFor, func() (err error) {
			if a, err = ask(t.Context()); err == nil && (a.Status >= 500 || a.Code() == "request_in_progress") {
				err = fmt.Errorf("%s", a)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	key := apiclient.Key()
	a := disconnectAndRepeat(func(ctx context.Context) (apiclient.Answer, error) {
		return me.Buy(ctx, key, addressID, apiclient.Line{ProductID: p.ID, Quantity: 1})
	})
	var o apiclient.Order
	if a.Status != http.StatusCreated || a.Into(&o) != nil {
		t.Fatalf("checkout: %s", a)
	}
	var mine struct{ Items []apiclient.Order }
	if err := me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/orders", nil, &mine); err != nil ||
		len(mine.Items) != 1 {
		t.Errorf("%d orders, %v, want 1", len(mine.Items), err)
	}
	key = apiclient.Key()
	a = disconnectAndRepeat(func(ctx context.Context) (apiclient.Answer,
		error) {
		return me.Pay(ctx, key, o.ID, apiclient.CardGood)
	})
	if a.Status != http.StatusCreated {
		t.Fatalf("pay: %s", a)
	}
	waitOrder(t, me, o.ID, "paid")
	var attempts string
	if err := payments.QueryRowContext(t.Context(), "SELECT string_agg(id::text, ',') FROM payments WHERE order_id = $1",
		o.ID).Scan(&attempts); err != nil || strings.Contains(attempts, ",") {
		t.Errorf("payments %s, %v, want one", attempts, err)
	}
	if n, err := number(t.Context(), charges, "SELECT captured FROM charges WHERE ref = $1", attempts); err != nil ||
		n != o.Total {
		t.Errorf("charged %d, %v, want %d", n, err, o.Total)
	}
}

// Every route that accepts an Idempotency-Key according to openapi.yaml honours it: the second answer is the first and
// says so. If a process dies after the effect but before the answer is stored, the key stays leased: a repeat is told
// to wait. After the lease the request runs again with the same effect.
func TestEveryRouteHonoursItsIdempotencyKey(t *testing.T) {
	for _, op := range operations(t) {
		if !op.KeyTaken {
			continue
		}
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			mine, me := newTargets(t)
			body := mine.body(op)
			delete(body, "expected_total")
			key := apiclient.Key()
			ask := func() apiclient.Answer {
				return do(t, as(op, me), op.Method, mine.path(op, me), jsonOf(body), "Idempotency-Key", key)
			}
			first, second := ask(), ask()
			if first.Header.Get("Idempotent-Replayed") != "" || second.Header.Get("Idempotent-Replayed") != "true" ||
				first.Status != second.Status || string(first.Body) != string(second.Body) {
				t.Errorf("first %s, then %s, replayed %q", first, second, second.Header.Get("Idempotent-Replayed"))
			}
			forgetAnswer(t, key, "20 seconds")
			if a := ask(); a.Status != http.StatusConflict || a.Code() != "request_in_progress" ||
				a.Header.Get("Retry-After") == "" {
				t.Errorf("while the lease lasts: %s, Retry-After %q, want 409 request_in_progress", a, a.Header.Get("Retry-After"))
			}
			forgetAnswer(t, key, "0 seconds")
			third := ask()
			if third.Header.Get("Idempotent-Replayed") != "" || third.Status != first.Status ||
				idOf(t, third) != idOf(t, first) {
				t.Errorf("after the lease: %s, want the same as %s", third, first)
			}
		})
	}
}

// forgetAnswer puts a key into the state after its process died before storing the answer.
func forgetAnswer(t *testing.T, key, lease string) {
	t.Helper()
	var found int64
	for _, service := range contracts.Readers("idempotency-hmac") {
		n, err := forgetAnswerAt(t, service, key, lease)
		if err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		found += n
	}
	if found != 1 {
		t.Fatalf("the key is in %d places, want one", found)
	}
}

// forgetAnswerAt returns how many keys it changed. It closes its connection, because all tests share the server's
// connections.
func forgetAnswerAt(t *testing.T, service, key, lease string) (found int64, err error) {
	t.Helper()
	db, err := sql.Open("pgx", mallUnderTest(t).Databases[service])
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	res, err := db.ExecContext(t.Context(), `UPDATE idempotency_keys
		SET status = NULL, etag = '', body = NULL, lease_until = now() + $2::interval WHERE key = $1`, key, lease)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// idOf returns the id in an answer, "" if there is none.
func idOf(t *testing.T, a apiclient.Answer) string {
	t.Helper()
	var thing struct{ ID string }
	if err := a.Into(&thing); err != nil {
		t.Fatal(err)
	}
	return thing.ID
}
