//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// Cart, quote and checkout agree about a product that was removed, and about one of which fewer are left.
func TestCartQuoteAndCheckoutAgreeAboutWhatIsGone(t *testing.T) {
	me, address := shopper(t)
	gone, scarce := product(t, "Vanishing tea", 500, 10), product(t, "Scarce tea", 700, 3)
	for _, p := range []apiclient.Product{gone, scarce} {
		line := map[string]any{"product_id": p.ID, "quantity": 3}
		if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items", line, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := seller.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/products/"+scarce.ID+"/stock",
		map[string]any{"delta": -1, "reason": "broken"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := seller.Want(t.Context(), http.StatusNoContent, http.MethodDelete, "/v1/products/"+gone.ID, nil,
		nil); err != nil {
		t.Fatal(err)
	}
	var cart struct {
		Items []struct {
			ID        string `json:"product_id"`
			State     string `json:"state"`
			SeenPrice int64  `json:"seen_price"`
		} `json:"items"`
	}
	if err := me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/cart", nil, &cart); err != nil {
		t.Fatal(err)
	}
	if len(cart.Items) != 2 || cart.Items[0].State != "not_for_sale" || cart.Items[0].SeenPrice != 500 ||
		cart.Items[1].State != "fewer_left" || cart.Items[1].SeenPrice != 700 {
		t.Errorf("the cart has %+v", cart.Items)
	}
	// Of several faults checkout names the first that it meets.
	if err := me.Want(t.Context(), http.StatusOK, http.MethodDelete, "/v1/cart/items/"+scarce.ID, nil, nil); err != nil {
		t.Fatal(err)
	}
	for what, a := range map[string]apiclient.Answer{
		"quote": do(t, me, http.MethodPost, "/v1/checkout/quote", map[string]any{}),
		"checkout": do(t, me, http.MethodPost, "/v1/checkout", map[string]any{"address_id": address}, "Idempotency-Key",
			apiclient.Key()),
	} {
		var refused struct {
			Code   string `json:"code"`
			Errors []struct {
				Field string `json:"field"`
			} `json:"errors"`
		}
		if a.Into(&refused) != nil || a.Status != http.StatusConflict || refused.Code != "not_for_sale" ||
			len(refused.Errors) != 1 || refused.Errors[0].Field != gone.ID {
			t.Errorf("%s: %s, want not_for_sale for product %s", what, a, gone.ID)
		}
	}
}

// Cart, quote and checkout agree about a product of which one order may have only a few.
func TestCartQuoteAndCheckoutAgreeAboutTheMaximumPerOrder(t *testing.T) {
	me, address := shopper(t)
	var p apiclient.Product
	err := seller.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/products", map[string]any{
		"name": "Tea for few", "description": "", "price": 900, "stock": 10, "max_per_order": 2}, &p)
	if err != nil {
		t.Fatal(err)
	}
	set := func(quantity int) (state string) {
		var cart struct {
			Items []struct {
				State string `json:"state"`
				Most  int    `json:"max_per_order"`
			} `json:"items"`
		}
		err := me.Want(t.Context(), http.StatusOK, http.MethodPut, "/v1/cart/items/"+p.ID,
			map[string]any{"quantity": quantity}, &cart)
		if err != nil || len(cart.Items) != 1 || cart.Items[0].Most != 2 {
			t.Fatalf("cart: %+v, %v", cart, err)
		}
		return cart.Items[0].State
	}
	ask := func(path string, body map[string]any) apiclient.Answer {
		return do(t, me, http.MethodPost, path, body, "Idempotency-Key", apiclient.Key())
	}
	if state := set(3); state != "too_many" {
		t.Errorf("the cart says %s of 3", state)
	}
	for what, a := range map[string]apiclient.Answer{
		"quote":    ask("/v1/checkout/quote", map[string]any{}),
		"checkout": ask("/v1/checkout", map[string]any{"address_id": address}),
		"checkout of two lines": ask("/v1/checkout", map[string]any{"address_id": address,
			"items": []apiclient.Line{{ProductID: p.ID, Quantity: 1}, {ProductID: p.ID, Quantity: 2}}}),
	} {
		var refused struct {
			Code   string
			Errors []struct{ Field, Message string }
		}
		if a.Into(&refused) != nil || a.Status != http.StatusConflict || refused.Code != "too_many_per_order" ||
			len(refused.Errors) != 1 || refused.Errors[0].Field != p.ID ||
			refused.Errors[0].Message != "at most 2 per order" {
			t.Errorf("%s of 3: %s, want too_many_per_order for product %s", what, a, p.ID)
		}
	}
	if state := set(2); state != "available" {
		t.Errorf("the cart says %s of 2", state)
	}
	if a := ask("/v1/checkout", map[string]any{"address_id": address}); a.Status != http.StatusCreated {
		t.Errorf("checkout of 2: %s", a)
	}
}
