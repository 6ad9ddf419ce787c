//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// pictured is a line of a cart, a quote or an order.
type pictured struct {
	ProductID string `json:"product_id"`
	Name      string `json:"name"`
	ImageURL  string `json:"image_url"`
}

// read reads an answer of a GET.
func read[T any](t *testing.T, c *apiclient.Client, path string) (out T) {
	t.Helper()
	if err := c.Want(t.Context(), http.StatusOK, http.MethodGet, path, nil, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A cart and a quote show the picture that a product has now, an order the one that it had when it was ordered.
func TestLinesShowPictures(t *testing.T) {
	me, address := shopper(t)
	offer := map[string]any{"name": "Pictured tea", "description": "", "price": 100, "stock": 10,
		"image_url": "/pictures/old.svg"}
	var p apiclient.Product
	if err := seller.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/products", offer, &p); err != nil {
		t.Fatal(err)
	}
	line := apiclient.Line{ProductID: p.ID, Quantity: 1}
	wantInCart := func(image string) {
		t.Helper()
		if got := read[struct{ Items []pictured }](t, me, "/v1/cart"); len(got.Items) != 1 || got.Items[0].ImageURL != image {
			t.Errorf("the cart has %+v, want the picture %q", got.Items, image)
		}
		var quote struct{ Lines []pictured }
		err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/checkout/quote", map[string]any{}, &quote)
		if err != nil || len(quote.Lines) != 1 || quote.Lines[0].ImageURL != image {
			t.Errorf("the quote has %+v, %v; want the picture %q", quote.Lines, err, image)
		}
	}
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items", line, nil); err != nil {
		t.Fatal(err)
	}
	wantInCart("/pictures/old.svg")
	ordered := order(t, me, address, p.ID, 1)
	if err := seller.Want(t.Context(), http.StatusOK, http.MethodPatch, "/v1/products/"+p.ID,
		map[string]any{"image_url": "/pictures/new.svg"}, nil, "If-Match", fmt.Sprintf(`"%d"`, p.Version)); err != nil {
		t.Fatal(err)
	}
	wantInCart("/pictures/new.svg")
	o := read[struct{ Lines []pictured }](t, me, "/v1/orders/"+ordered.ID)
	if len(o.Lines) != 1 || o.Lines[0].ImageURL != "/pictures/old.svg" {
		t.Errorf("the order has %+v, want the picture as ordered", o.Lines)
	}
}

// Whoever loads a page again in the middle of a payment finds it: the payment that waits for the shopper, and those
// that were declined. An admin sees them without what the shopper has to do.
func TestThePaymentsOfAnOrderAreFound(t *testing.T) {
	me, address := shopper(t)
	o := order(t, me, address, product(t, "Paid tea", 100, 10).ID, 1)
	path := "/v1/orders/" + o.ID + "/payments"
	type list struct {
		Items []struct {
			ID         string            `json:"id"`
			Status     string            `json:"status"`
			Failure    string            `json:"failure_code"`
			NextAction map[string]string `json:"next_action"`
		}
	}
	if got := read[list](t, me, path); len(got.Items) != 0 {
		t.Errorf("a new order has the payments %+v", got.Items)
	}
	for _, card := range []string{apiclient.CardDeclined, apiclient.CardAsked} {
		if _, err := me.Pay(t.Context(), apiclient.Key(), o.ID, card); err != nil {
			t.Fatal(err)
		}
	}
	for who, c := range map[string]*apiclient.Client{"the shopper": me, "an admin": admin} {
		got := read[list](t, c, path).Items
		if len(got) != 2 || got[0].Status != "requires_action" || got[1].Failure != "card_declined" {
			t.Fatalf("%s sees %+v, want the payment under way and the declined one", who, got)
		}
		if told := got[0].NextAction != nil; told != (c == me) {
			t.Errorf("%s is told what to do: %v", who, told)
		}
	}
	mine := read[list](t, me, path).Items[0]
	if a := do(t, me, http.MethodPost, mine.NextAction["redirect_url"], map[string]any{"approve": true}); a.Status !=
		http.StatusOK {
		t.Fatalf("confirm: %s", a)
	}
	waitOrder(t, me, o.ID, "paid")
	if got := read[list](t, me, path).Items; len(got) != 2 || got[0].ID != mine.ID || got[0].Status != "succeeded" {
		t.Errorf("paid, the payments are %+v", got)
	}
}

// A seller sees what to send where once it is paid, the own products, and why their stock changed: of an order only the
// own lines, and nothing about the buyer but the address.
func TestASellerSeesWhatToSend(t *testing.T) {
	var merchants [2]member
	var products [2]apiclient.Product
	for i := range merchants {
		m := newMember(t)
		if err := admin.Want(t.Context(), http.StatusOK, http.MethodPut, "/v1/admin/users/"+m.id+"/roles",
			map[string]any{"roles": []string{"customer", "seller"}}, nil); err != nil {
			t.Fatal(err)
		}
		merchants[i] = signIn(t, m.email)
		var err error
		if products[i], err = merchants[i].NewProduct(t.Context(), fmt.Sprint("Sent tea ", i), "tests", 100, 5); err != nil {
			t.Fatal(err)
		}
	}
	me, address := shopper(t)
	a, err := me.Buy(t.Context(), apiclient.Key(), address, apiclient.Line{ProductID: products[0].ID, Quantity: 2},
		apiclient.Line{ProductID: products[1].ID, Quantity: 1})
	var o apiclient.Order
	if err != nil || a.Status != http.StatusCreated || a.Into(&o) != nil {
		t.Fatalf("buy: %s, %v", a, err)
	}
	type list struct {
		Items []struct {
			OrderID string            `json:"order_id"`
			Status  string            `json:"status"`
			Lines   []pictured        `json:"lines"`
			Address map[string]string `json:"address"`
		}
	}
	if sold := read[list](t, merchants[0].Client, "/v1/seller/orders"); len(sold.Items) != 0 {
		t.Errorf("an unpaid order is listed: %+v", sold.Items)
	}
	if a, err := me.Pay(t.Context(), apiclient.Key(), o.ID, apiclient.CardGood); err != nil || a.Status != 201 {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me, o.ID, "paid")
	for i, m := range merchants {
		sold := read[list](t, m.Client, "/v1/seller/orders?status=paid").Items
		if len(sold) != 1 || sold[0].OrderID != o.ID || sold[0].Status != "paid" || len(sold[0].Lines) != 1 ||
			sold[0].Lines[0].ProductID != products[i].ID || sold[0].Address["city"] != "Shanghai" {
			t.Errorf("seller %d sees %+v, want the own line of order %s and its address", i, sold, o.ID)
		}
	}
	var ledger struct {
		Items []struct {
			Kind     string `json:"kind"`
			OrderID  string `json:"order_id"`
			OnHand   int64  `json:"on_hand"`
			Reserved int64  `json:"reserved"`
		}
	}
	if err := eventually(t.Context(), waitFor, func() error {
		ledger.Items = nil
		err := merchants[0].Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/"+products[0].ID+"/stock", nil,
			&ledger)
		if err == nil && len(ledger.Items) < 3 {
			err = errNotYet
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range ledger.Items {
		got += fmt.Sprintf("%s %d %d %v; ", e.Kind, e.OnHand, e.Reserved, e.OrderID == o.ID)
	}
	if want := "deduct 3 0 true; reserve 5 2 true; initial 5 0 false; "; got != want {
		t.Errorf("the ledger is %q, want %q", got, want)
	}
	own := read[struct{ Items []apiclient.Product }](t, merchants[1].Client, "/v1/seller/products").Items
	if len(own) != 1 || own[0].ID != products[1].ID {
		t.Errorf("the own products are %+v", own)
	}
}

// An admin finds out why an order is as it is: its events with their traces, its payments, and its reservations.
func TestAnAdminSeesWhyAnOrderIsPaid(t *testing.T) {
	me, address := shopper(t)
	p := product(t, "Explained tea", 100, 10)
	o := order(t, me, address, p.ID, 2)
	if a, err := me.Pay(t.Context(), apiclient.Key(), o.ID, apiclient.CardGood); err != nil || a.Status != 201 {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me, o.ID, "paid")
	err := eventually(t.Context(), waitFor, func() error {
		var shown struct {
			Status    string `json:"status"`
			UserID    string `json:"user_id"`
			PaymentID string `json:"payment_id"`
			Events    []struct {
				Type        string  `json:"type"`
				TraceID     string  `json:"trace_id"`
				PublishedAt *string `json:"published_at"`
			}
		}
		if err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/admin/orders/"+o.ID, nil,
			&shown); err != nil {
			return err
		}
		got := ""
		for _, e := range shown.Events {
			got += fmt.Sprintf("%s traced %v published %v; ", e.Type, e.TraceID != "", e.PublishedAt != nil)
		}
		const events = "mall.order.placed.v1 traced true published true; mall.order.paid.v1 traced true published true; "
		if got != events || shown.Status != "paid" || shown.UserID == "" || shown.PaymentID == "" {
			return fmt.Errorf("the admin sees %+v, want the events %s", shown, events)
		}
		var stock struct {
			Reservations []struct {
				ProductID string `json:"product_id"`
				Quantity  int64  `json:"quantity"`
				State     string `json:"state"`
			}
		}
		if err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/admin/orders/"+o.ID+"/stock", nil,
			&stock); err != nil {
			return err
		}
		if r := fmt.Sprint(stock.Reservations); r != fmt.Sprintf("[{%s 2 deducted}]", p.ID) {
			return fmt.Errorf("the reservations are %s", r)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
