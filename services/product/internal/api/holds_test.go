package api

import (
	"fmt"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// Operators see who holds what, in running checkouts and unpaid orders, page by page, and release it: with the order
// cancelled if there is one. Nobody else does.
func TestOperatorsSeeAndReleaseHolds(t *testing.T) {
	d := open(t)
	var ids []string
	for range 2 {
		id, _ := d.offer("10").body["id"].(string)
		ids = append(ids, id)
	}
	a, b := ids[0], ids[1]
	due := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for order, shopper := range map[string]string{"7101": "41", "7102": "42", "7103": "42"} {
		lines := []inventory.Line{{ProductID: a, Quantity: 2}}
		if order == "7103" {
			lines = append(lines, inventory.Line{ProductID: b, Quantity: 1})
		}
		res, err := d.stock.Hold(t.Context(), inventory.HoldRequest{OrderID: order, ShopperID: shopper, Lines: lines})
		if err != nil || res.Status != inventory.Held {
			t.Fatalf("hold %s: %+v, %v", order, res, err)
		}
		if order == "7102" {
			d.orders.Known[order] = true
			if err := d.stock.Reserve(t.Context(), inventory.Order{ID: order, ShopperID: shopper, DueAt: due,
				Lines: lines}); err != nil {
				t.Fatal(err)
			}
		}
	}
	admin := []string{"Authorization", "Bearer " + d.token("1", "admin")}
	list := func(query string) (got []string, next string) {
		t.Helper()
		page := d.ask("api-gateway", "GET", "/v1/admin/holds"+query, "", admin...)
		items, _ := page.body["items"].([]any)
		if page.status != 200 || items == nil {
			t.Fatalf("list %s: %d %v", query, page.status, page.body)
		}
		for _, item := range items {
			h, _ := item.(map[string]any)
			got = append(got, fmt.Sprint(h["order_id"], " ", h["user_id"], " ", h["product_id"], " ", h["quantity"], " ",
				h["state"]))
			if h["since"] == nil || h["until"] == nil || h["order_id"] == "7102" && h["until"] != due.Format(time.RFC3339) {
				t.Errorf("%v: since %v until %v", h["order_id"], h["since"], h["until"])
			}
		}
		next, _ = page.body["next_page_token"].(string)
		return got, next
	}
	all := []string{"7101 41 " + a + " 2 hold", "7102 42 " + a + " 2 unpaid_order", "7103 42 " + a + " 2 hold",
		"7103 42 " + b + " 1 hold"}
	for query, want := range map[string][]string{"": all, "?user_id=42": all[1:], "?product_id=" + b: all[3:],
		"?user_id=41&product_id=" + b: nil} {
		if got, next := list(query); fmt.Sprint(got) != fmt.Sprint(want) || next != "" {
			t.Errorf("list %s: %v, next %q; want %v", query, got, next, want)
		}
	}
	var paged []string
	for query := "?page_size=1"; ; {
		got, next := list(query)
		paged = append(paged, got...)
		if next == "" {
			break
		}
		query = "?page_size=1&page_token=" + next
	}
	if fmt.Sprint(paged) != fmt.Sprint(all) {
		t.Errorf("page by page: %v, want %v", paged, all)
	}

	release := func(order, body string, headers ...string) answer {
		t.Helper()
		return d.ask("api-gateway", "POST", "/v1/admin/holds/"+order+"/release", body, headers...)
	}
	const reason = `{"reason":"takes everything"}`
	keyed := append([]string{"Idempotency-Key", "k1"}, admin...)
	for range 2 { // with its key, a repetition gets the first answer
		if got := release("7101", reason, keyed...); got.status != 200 || got.body["outcome"] != "hold_released" {
			t.Errorf("a running checkout: %d %v", got.status, got.body)
		}
	}
	if got := release("7102", reason, admin...); got.status != 200 || got.body["outcome"] != "order_cancelled" ||
		d.orders.Cancelled["7102"] == "" {
		t.Errorf("an unpaid order: %d %v, cancelled %v", got.status, got.body, d.orders.Cancelled)
	}
	if got, _ := list("?user_id=41"); len(got) > 0 {
		t.Errorf("%v are still held", got)
	}
	get := func(query string, headers []string) answer {
		return d.ask("api-gateway", "GET", "/v1/admin/holds"+query, "", headers...)
	}
	shopper := []string{"Authorization", "Bearer " + d.token("42", "customer")}
	for what, c := range map[string]struct {
		got    answer
		status int
		code   string
	}{
		"what is not held":    {release("7101", reason, admin...), 404, "not_found"},
		"without a reason":    {release("7103", `{}`, admin...), 422, "validation_failed"},
		"by a shopper":        {release("7103", reason, shopper...), 403, "forbidden"},
		"a shopper's list":    {get("", shopper), 403, "forbidden"},
		"a malformed user":    {get("?user_id=x", admin), 422, "validation_failed"},
		"a token not of ours": {get("?page_token=7", admin), 422, "validation_failed"},
		"an unknown filter":   {get("?order=7", admin), 422, "validation_failed"},
	} {
		if c.got.status != c.status || c.got.body["code"] != c.code {
			t.Errorf("%s: %d %v, want %d %s", what, c.got.status, c.got.body, c.status, c.code)
		}
	}
}
