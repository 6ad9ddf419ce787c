//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// The products of a banned or demoted seller cannot be found, read or bought until the seller may sell again.
func TestProductsOfABannedSellerAreOffSale(t *testing.T) {
	merchant := newMember(t)
	account := "/v1/admin/users/" + merchant.id
	setRoles := func(roles ...string) {
		t.Helper()
		if err := admin.Want(t.Context(), http.StatusOK, http.MethodPut, account+"/roles", map[string]any{"roles": roles},
			nil); err != nil {
			t.Fatal(err)
		}
	}
	setRoles("customer", "seller")
	merchant = signIn(t, merchant.email)
	var p apiclient.Product
	offer := map[string]any{"name": "Smuggled tea", "description": "", "price": 100, "stock": 10}
	if err := merchant.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/products", offer, &p); err != nil {
		t.Fatal(err)
	}
	me, address := shopper(t)
	wantOnSale := func(what string, onSale bool) {
		t.Helper()
		status := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[onSale]
		if err := eventually(t.Context(), 10*time.Second, func() error {
			return visitor.Want(t.Context(), status, http.MethodGet, "/v1/products/"+p.ID, nil, nil)
		}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		a := do(t, me, http.MethodPost, "/v1/checkout", map[string]any{"address_id": address,
			"items": []apiclient.Line{{ProductID: p.ID, Quantity: 1}}}, "Idempotency-Key", apiclient.Key())
		if bought := a.Status == http.StatusCreated; bought != onSale {
			t.Errorf("%s: checkout: %s", what, a)
		}
		var list struct {
			Items []struct {
				ID    string `json:"id"`
				State string `json:"state"`
			} `json:"items"`
		}
		want := fmt.Sprint([]string{p.ID, map[bool]string{true: "on_sale", false: "seller_closed"}[onSale]})
		err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/admin/products?seller_id="+merchant.id, nil, &list)
		if err != nil || len(list.Items) != 1 || fmt.Sprint([]string{list.Items[0].ID, list.Items[0].State}) != want {
			t.Errorf("%s: the admin sees %+v, %v; want %s", what, list.Items, err, want)
		}
	}
	wantOnSale("before", true)
	ban(t, merchant)
	wantOnSale("banned", false)
	if err := admin.Want(t.Context(), http.StatusNoContent, http.MethodDelete, account+"/ban",
		map[string]string{"reason": "tests"}, nil); err != nil {
		t.Fatal(err)
	}
	wantOnSale("the ban was lifted", true)
	setRoles("customer")
	wantOnSale("no longer a seller", false)
	setRoles("customer", "seller")
	wantOnSale("seller again", true)
}
