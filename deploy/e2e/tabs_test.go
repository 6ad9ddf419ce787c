//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// Two tabs check out one cart, at the same moment or one right after the other, with keys of their own: it is bought
// once, and the other tab finds it empty.
func TestACartIsBoughtOnceFromTwoTabs(t *testing.T) {
	t.Parallel()
	me, address := shopper(t)
	p := product(t, "Tab tea", 100, 1000)
	checkOut := func() apiclient.Answer {
		return do(t, me, http.MethodPost, "/v1/checkout", map[string]any{"address_id": address}, "Idempotency-Key",
			apiclient.Key())
	}
	const rounds = 10
	for round := range rounds {
		if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
			apiclient.Line{ProductID: p.ID, Quantity: 2}, nil); err != nil {
			t.Fatal(err)
		}
		var answers [2]apiclient.Answer
		var wg sync.WaitGroup
		for i := range answers {
			tab := func() { answers[i] = checkOut() }
			if round%2 == 0 {
				wg.Go(tab)
			} else {
				tab()
			}
		}
		wg.Wait()
		if answers[0].Status != http.StatusCreated {
			answers[0], answers[1] = answers[1], answers[0]
		}
		if answers[0].Status != http.StatusCreated || answers[1].Code() != "empty_cart" {
			t.Errorf("round %d: %s and %s", round, answers[0], answers[1])
		}
	}
	var orders struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/orders?page_size=100", nil, &orders); err != nil ||
		len(orders.Items) != rounds {
		t.Errorf("%d orders, %v; want %d", len(orders.Items), err, rounds)
	}
}

// A price that rose after the shopper saw it is charged only with consent, from the cart as well as from a page.
func TestAHigherPriceNeedsConsent(t *testing.T) {
	t.Parallel()
	me, address := shopper(t)
	p := product(t, "Rising tea", 1000, 100)
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
		apiclient.Line{ProductID: p.ID, Quantity: 1}, nil); err != nil {
		t.Fatal(err)
	}
	reprice := func(price any) {
		t.Helper()
		now := do(t, seller, http.MethodGet, "/v1/products/"+p.ID, nil)
		if err := seller.Want(t.Context(), http.StatusOK, http.MethodPatch, "/v1/products/"+p.ID,
			map[string]any{"price": price}, nil, "If-Match", now.Header.Get("ETag")); err != nil {
			t.Fatal(err)
		}
	}
	checkOut := func(body map[string]any) apiclient.Answer {
		body["address_id"] = address
		return do(t, me, http.MethodPost, "/v1/checkout", body, "Idempotency-Key", apiclient.Key())
	}
	reprice(1200)
	var cart struct {
		Items []struct{ State string }
	}
	if err := me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/cart", nil, &cart); err != nil ||
		cart.Items[0].State != "price_changed" {
		t.Errorf("the cart says %+v, %v", cart, err)
	}
	var refused struct {
		Code   string
		Errors []struct{ Field, Message string }
	}
	if a := checkOut(map[string]any{}); a.Into(&refused) != nil || refused.Code != "price_changed" ||
		len(refused.Errors) != 1 || refused.Errors[0].Field != p.ID ||
		refused.Errors[0].Message != "costs 12.00 now, not 10.00" {
		t.Errorf("without consent: %s", a)
	}
	line := map[string]any{"product_id": p.ID, "quantity": 1, "seen_price": "10.00"}
	if a := checkOut(map[string]any{"items": []any{line}}); a.Code() != "price_changed" {
		t.Errorf("a line with its seen price: %s", a)
	}
	var quote struct {
		Total int64
		Lines []struct {
			Price     int64
			SeenPrice int64 `json:"seen_price"`
		}
	}
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/checkout/quote", map[string]any{}, &quote); err !=
		nil || quote.Lines[0].Price != 1200 || quote.Lines[0].SeenPrice != 1000 {
		t.Errorf("the quote says %+v, %v", quote, err)
	}
	if a := checkOut(map[string]any{"expected_total": quote.Total}); a.Status != http.StatusCreated {
		t.Errorf("with consent: %s", a)
	}
	line["seen_price"] = 1200
	reprice("9.00")
	if a := checkOut(map[string]any{"items": []any{line}, "expected_total": "19.00"}); a.Status != http.StatusCreated {
		t.Errorf("cheaper, with a total as a text: %s", a)
	}
}
