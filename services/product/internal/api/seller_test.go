package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"daprmall.dev/services/contracts/productv1"
)

// offerOf offers a product with a picture and returns its id.
func (d *fixture) offerOf(token, name, picture string, stock int) string {
	d.t.Helper()
	a := d.ask("api-gateway", http.MethodPost, "/v1/products", fmt.Sprintf(
		`{"name":%q,"description":"","price":100,"stock":%d,"image_url":%q}`, name, stock, picture),
		"Authorization", "Bearer "+token)
	if a.status != http.StatusCreated {
		d.t.Fatalf("offer: %d %v", a.status, a.body)
	}
	return a.body["id"].(string)
}

// A seller lists the own products page by page, also those that are sold out, but not removed ones.
func TestASellerListsTheOwnProducts(t *testing.T) {
	d := open(t)
	mine, other := d.token("5", "customer", "seller"), d.token("6", "customer", "seller")
	tea, cup, gone := d.offerOf(mine, "Tea", "", 3), d.offerOf(mine, "Cup", "", 0), d.offerOf(mine, "Pot", "", 1)
	d.offerOf(other, "Salt", "", 1)
	if a := d.ask("api-gateway", http.MethodDelete, "/v1/products/"+gone, "", "Authorization", "Bearer "+mine); a.status !=
		http.StatusNoContent {
		t.Fatalf("remove: %d %v", a.status, a.body)
	}
	var got []string
	for token := ""; ; {
		a := d.ask("api-gateway", http.MethodGet, "/v1/seller/products?page_size=1"+token, "", "Authorization",
			"Bearer "+mine)
		if a.status != http.StatusOK {
			t.Fatalf("list: %d %v", a.status, a.body)
		}
		for _, item := range a.body["items"].([]any) {
			p := item.(map[string]any)
			got = append(got, fmt.Sprint(p["id"], " ", p["available"], " ", p["state"]))
		}
		next, more := a.body["next_page_token"].(string)
		if !more {
			break
		}
		token = "&page_token=" + next
	}
	if want := []string{tea + " 3 on_sale", cup + " 0 on_sale"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if a := d.ask("api-gateway", http.MethodGet, "/v1/seller/products?seller_id=6", "", "Authorization",
		"Bearer "+mine); a.status != http.StatusUnprocessableEntity {
		t.Errorf("another seller's products: %d %v, want 422", a.status, a.body)
	}
}

// The ledger is read page by page. A token of another list is refused.
func TestTheLedgerIsPaged(t *testing.T) {
	d := open(t)
	mine := d.token("5", "customer", "seller")
	path := "/v1/products/" + d.offerOf(mine, "Tea", "", 3) + "/stock"
	for _, delta := range []int{1, 2} {
		if a := d.ask("api-gateway", http.MethodPost, path, fmt.Sprintf(`{"delta":%d,"reason":"found"}`, delta),
			"Authorization", "Bearer "+mine); a.status != http.StatusOK {
			t.Fatalf("adjust: %d %v", a.status, a.body)
		}
	}
	var got []string
	for token := ""; ; {
		a := d.ask("api-gateway", http.MethodGet, path+"?page_size=2"+token, "", "Authorization", "Bearer "+mine)
		if a.status != http.StatusOK {
			t.Fatalf("ledger: %d %v", a.status, a.body)
		}
		for _, item := range a.body["items"].([]any) {
			e := item.(map[string]any)
			got = append(got, fmt.Sprint(e["version"], " ", e["kind"], " ", e["on_hand_delta"], " ", e["on_hand"]))
		}
		next, more := a.body["next_page_token"].(string)
		if !more {
			break
		}
		token = "&page_token=" + next
	}
	if want := "[3 adjust 2 6 2 adjust 1 4 1 initial 3 3]"; fmt.Sprint(got) != want {
		t.Errorf("the ledger is %v, want %s", got, want)
	}
	for query, want := range map[string]int{"?page_token=x": 422, "?page_size=0": 422, "?kind=adjust": 422} {
		if a := d.ask("api-gateway", http.MethodGet, path+query, "", "Authorization", "Bearer "+mine); a.status != want {
			t.Errorf("%s: %d %v, want %d", query, a.status, a.body, want)
		}
	}
}

// A hold returns the address of the main picture, unless it is longer than what an order keeps. A cart gets any.
func TestAHoldHasThePicturesThatAnOrderKeeps(t *testing.T) {
	d := open(t)
	mine := d.token("5", "customer", "seller")
	short := "/" + strings.Repeat("x", productv1.MaxOrderedImage-1)
	for i, c := range []struct{ picture, kept string }{{"/tea.svg", "/tea.svg"}, {short, short}, {short + "x", ""}, {}} {
		id := d.offerOf(mine, "Tea", c.picture, 3)
		a := d.ask("checkout", http.MethodPost, productv1.PathHold, fmt.Sprintf(
			`{"order_id":"%d","lines":[{"product_id":%q,"quantity":1}]}`, 900+i, id))
		if a.status != http.StatusOK {
			t.Fatalf("hold: %d %v", a.status, a.body)
		}
		kept, _ := a.body["lines"].([]any)[0].(map[string]any)["image_url"].(string)
		a = d.ask("cart", http.MethodPost, productv1.PathGet, fmt.Sprintf(`{"ids":[%q]}`, id))
		if a.status != http.StatusOK {
			t.Fatalf("get: %d %v", a.status, a.body)
		}
		shown, _ := a.body["products"].([]any)[0].(map[string]any)["image_url"].(string)
		if kept != c.kept || shown != c.picture {
			t.Errorf("picture of %d bytes: held %q, shown %q", len(c.picture), kept, shown)
		}
	}
}
