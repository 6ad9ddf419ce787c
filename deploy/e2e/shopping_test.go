//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// Twenty concurrent additions all count, and setting, removing and clearing work.
func TestTheCartCountsEveryAddition(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	me, _ := shopper(t)
	tea, cup := product(t, "Parallel tea", 300, 1000), product(t, "Parallel cup", 200, 1000)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := eventually(ctx, waitFor, func() error {
				return me.Want(ctx, http.StatusOK, http.MethodPost, "/v1/cart/items",
					apiclient.Line{ProductID: tea.ID, Quantity: 1}, nil)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	cart := func(method, path string, body any) apiclient.Cart {
		t.Helper()
		var c apiclient.Cart
		if err := me.Want(ctx, http.StatusOK, method, path, body, &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := cart(http.MethodGet, "/v1/cart", nil); len(c.Items) != 1 || c.Items[0].Quantity != 20 || c.Total != 6000 {
		t.Errorf("after 20 adds: %+v", c)
	}
	if c := cart(http.MethodPut, "/v1/cart/items/"+cup.ID, map[string]any{"quantity": 7}); c.Total != 6000+1400 {
		t.Errorf("after set: %+v", c)
	}
	if c := cart(http.MethodPut, "/v1/cart/items/"+tea.ID, map[string]any{"quantity": 0}); c.Total != 1400 {
		t.Errorf("after set to 0: %+v", c)
	}
	if c := cart(http.MethodDelete, "/v1/cart/items/"+cup.ID, nil); len(c.Items) != 0 {
		t.Errorf("after remove: %+v", c)
	}
	cart(http.MethodPost, "/v1/cart/items", apiclient.Line{ProductID: tea.ID, Quantity: 1})
	if err := me.Want(ctx, http.StatusNoContent, http.MethodDelete, "/v1/cart", nil, nil); err != nil {
		t.Error(err)
	}
	if a, err := me.Do(ctx, http.MethodPost, "/v1/checkout", map[string]any{"address_id": tea.ID}, "Idempotency-Key",
		apiclient.Key()); err != nil || a.Status != http.StatusNotFound {
		t.Errorf("checkout to an address that does not exist: %s, %v", a, err)
	}
}

// An empty cart cannot be ordered, and products that are added while an order is placed stay in the cart.
func TestAnOrderRemovesOnlyItsLinesFromTheCart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	me, address := shopper(t)
	if a, err := me.Do(ctx, http.MethodPost, "/v1/checkout", map[string]any{"address_id": address}, "Idempotency-Key",
		apiclient.Key()); err != nil || a.Code() != "empty_cart" {
		t.Errorf("checkout of nothing: %s, %v", a, err)
	}
	p := product(t, "Kept tea", 100, 100)
	add := func() {
		if err := me.Want(ctx, http.StatusOK, http.MethodPost, "/v1/cart/items", apiclient.Line{ProductID: p.ID, Quantity: 3},
			nil); err != nil {
			t.Fatal(err)
		}
	}
	add()
	var o apiclient.Order
	if err := me.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/checkout", map[string]any{"address_id": address}, &o,
		"Idempotency-Key", apiclient.Key()); err != nil {
		t.Fatal(err)
	}
	add()
	order(t, me, address, p.ID, 2) // not from the cart, so it removes nothing from it
	err := eventually(ctx, waitFor, func() error {
		var c apiclient.Cart
		if err := me.Want(ctx, http.StatusOK, http.MethodGet, "/v1/cart", nil, &c); err != nil {
			return err
		}
		if len(c.Items) != 1 || c.Items[0].Quantity != 3 {
			return fmt.Errorf("cart %+v, want the 3 that were added after the order", c)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheAddressOfAnUnpaidOrderCanBeChanged(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	me, address := shopper(t)
	o := order(t, me, address, product(t, "Sent tea", 100, 5).ID, 1)
	other, err := me.Address(ctx, "Wuhan")
	if err != nil {
		t.Fatal(err)
	}
	change := map[string]string{"address_id": other}
	if err := me.Want(ctx, http.StatusOK, http.MethodPut, "/v1/orders/"+o.ID+"/address", change, &o); err != nil ||
		o.Address.City != "Wuhan" {
		t.Errorf("change: %+v, %v", o, err)
	}
	if err := me.Want(ctx, http.StatusNoContent, http.MethodDelete, "/v1/addresses/"+other, nil, nil); err != nil {
		t.Error(err)
	}
	if o, err = me.Order(ctx, o.ID); err != nil || o.Address.City != "Wuhan" {
		t.Errorf("an order keeps its address: %+v, %v", o, err)
	}
	if a, err := me.Pay(ctx, apiclient.Key(), o.ID, apiclient.CardGood); err != nil || a.Status != http.StatusCreated {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me, o.ID, "paid")
	if a, err := me.Do(ctx, http.MethodPut, "/v1/orders/"+o.ID+"/address",
		map[string]string{"address_id": address}); err != nil || a.Code() != "order_not_changeable" {
		t.Errorf("change a paid order: %s, %v", a, err)
	}
}

// Pages show every item once and in order, while others add items.
func TestPagesAreStable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	category := "pages-" + apiclient.Key()[:8]
	for i := range 7 {
		if _, err := seller.NewProduct(ctx, fmt.Sprintf("Page tea %d", i), category, int64(100+i), 10); err != nil {
			t.Fatal(err)
		}
	}
	for _, sort := range []string{"price", "-price", "newest", "relevance"} {
		var seen []int64
		token := ""
		for {
			q := url.Values{"category": {category}, "sort": {sort}, "page_size": {"3"}, "min_price": {"101"},
				"max_price": {"106"}}
			if sort == "relevance" {
				q.Set("q", "page tea")
			}
			if token != "" {
				q.Set("page_token", token)
			}
			var page struct {
				Items []apiclient.Product
				Next  *string `json:"next_page_token"`
				Total int
			}
			if err := visitor.Want(ctx, http.StatusOK, http.MethodGet, "/v1/products?"+q.Encode(), nil, &page); err != nil {
				t.Fatal(err)
			}
			if page.Total != 6 {
				t.Errorf("%s: total %d, want 6", sort, page.Total)
			}
			for _, p := range page.Items {
				seen = append(seen, p.Price)
			}
			if page.Next == nil {
				break
			}
			token = *page.Next
		}
		sorted := slices.Sorted(slices.Values(seen))
		if fmt.Sprint(sorted) != "[101 102 103 104 105 106]" {
			t.Errorf("%s: pages show %v", sort, seen)
		}
		if sort == "price" && !slices.Equal(seen, sorted) || sort == "-price" && (seen[0] != 106 || seen[5] != 101) {
			t.Errorf("%s: order %v", sort, seen)
		}
	}
	me, address := shopper(t)
	p := product(t, "Listed tea", 100, 50)
	for range 5 {
		order(t, me, address, p.ID, 1)
	}
	var ids []string
	path := "/v1/orders?page_size=2"
	for path != "" {
		var page struct {
			Items []apiclient.Order
			Next  *string `json:"next_page_token"`
		}
		if err := me.Want(ctx, http.StatusOK, http.MethodGet, path, nil, &page); err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Items {
			ids = append(ids, o.ID)
		}
		path = ""
		if page.Next != nil {
			path = "/v1/orders?page_size=2&page_token=" + url.QueryEscape(*page.Next)
		}
	}
	if len(ids) != 5 || len(slices.Compact(slices.Clone(ids))) != 5 {
		t.Errorf("orders over pages: %v", ids)
	}
}

// The refusal of a sold-out product says how much is left; a refused checkout holds no stock.
func TestRefusedCheckoutsHoldNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	me, address := shopper(t)
	p, q := product(t, "Scarce tea", 100, 2), product(t, "Plenty tea", 100, 100)
	a, err := me.Buy(ctx, apiclient.Key(), address, apiclient.Line{ProductID: q.ID, Quantity: 1},
		apiclient.Line{ProductID: p.ID, Quantity: 3})
	var refused struct {
		Code   string
		Errors []struct{ Field, Message string }
	}
	if err != nil || a.Into(&refused) != nil || refused.Code != "sold_out" || len(refused.Errors) != 1 ||
		refused.Errors[0].Field != p.ID {
		t.Errorf("sold out: %s, %v", a, err)
	}
	a, err = me.Do(ctx, http.MethodPost, "/v1/checkout", map[string]any{"address_id": address, "expected_total": 1,
		"items": []apiclient.Line{{ProductID: p.ID, Quantity: 2}}}, "Idempotency-Key", apiclient.Key())
	if err != nil || a.Code() != "price_changed" {
		t.Errorf("wrong total: %s, %v", a, err)
	}
	order(t, me, address, p.ID, 2) // this would be sold out if the refused checkouts held stock
	order(t, me, address, q.ID, 100)
}
