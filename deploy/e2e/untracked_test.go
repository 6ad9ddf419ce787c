//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// A product whose stock is not tracked is never sold out. Tracking is switched on and off while orders are open, and
// the books balance.
func TestAProductWithoutTrackedStockIsNeverSoldOut(t *testing.T) {
	me, address := shopper(t)
	p := product(t, "Uncounted tea", 500, 1)
	early := order(t, me, address, p.ID, 1)
	waitAvailable(t, p.ID, 0)
	track := func(version int, on bool) {
		t.Helper()
		var shown struct {
			Available *int64
			Tracked   bool `json:"stock_tracked"`
		}
		a := do(t, seller, http.MethodPatch, "/v1/products/"+p.ID, map[string]any{"stock_tracked": on}, "If-Match",
			fmt.Sprintf(`"%d"`, version))
		if a.Status != http.StatusOK || a.Into(&shown) != nil || shown.Tracked != on || (shown.Available != nil) != on {
			t.Fatalf("tracked %t: %s", on, a)
		}
	}
	track(1, false)
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
		apiclient.Line{ProductID: p.ID, Quantity: 500}, nil); err != nil {
		t.Fatal(err)
	}
	for method, path := range map[string]string{http.MethodGet: "/v1/cart", http.MethodPost: "/v1/checkout/quote"} {
		var shown struct{ Items, Lines []struct{ Available *int64 } }
		var body any
		if method == http.MethodPost {
			body = map[string]any{}
		}
		if err := me.Want(t.Context(), http.StatusOK, method, path, body, &shown); err != nil {
			t.Fatal(err)
		}
		if all := append(shown.Items, shown.Lines...); len(all) != 1 || all[0].Available != nil {
			t.Errorf("%s: %+v", path, all)
		}
	}
	late := order(t, me, address, p.ID, 500)
	a := do(t, seller, http.MethodPost, "/v1/products/"+p.ID+"/stock", map[string]any{"delta": 1, "reason": "found"})
	if a.Status != http.StatusConflict || a.Code() != "stock_not_tracked" {
		t.Errorf("adjust: %s", a)
	}
	for _, o := range []apiclient.Order{early, late} {
		if a, err := me.Pay(t.Context(), apiclient.Key(), o.ID, apiclient.CardGood); err != nil ||
			a.Status != http.StatusCreated {
			t.Errorf("pay: %s, %v", a, err)
		}
		waitOrder(t, me, o.ID, "paid")
	}
	audit(t)
	track(2, true)
	waitAvailable(t, p.ID, 0)
	if a, err := me.Buy(t.Context(), apiclient.Key(), address, apiclient.Line{ProductID: p.ID, Quantity: 1}); err != nil ||
		a.Code() != "sold_out" {
		t.Errorf("buy what is counted again: %s, %v", a, err)
	}
	audit(t)
}
