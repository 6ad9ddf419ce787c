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
