//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// A purchase from sign-up to deducted stock: three products from a cart are paid, and all services agree.
func TestAPurchaseDeductsStock(t *testing.T) {
	ctx := t.Context()
	me, address := shopper(t)
	tea, cup, tray := product(t, "紫砂茶壶 Purple clay teapot", 12900, 10), product(t, "青瓷杯 Celadon cup", 3900, 10),
		product(t, "竹茶盘 Bamboo tray", 8800, 10)
	for _, q := range []string{"茶壶", "celadon", "bamboo trays"} {
		var list struct{ Items []apiclient.Product }
		if err := visitor.Want(ctx, http.StatusOK, http.MethodGet, "/v1/products?q="+url.QueryEscape(q), nil,
			&list); err != nil || len(list.Items) == 0 {
			t.Errorf("search %q: %d found, %v", q, len(list.Items), err)
		}
	}
	for p, n := range map[apiclient.Product]int64{tea: 1, cup: 4, tray: 1} {
		if err := me.Want(ctx, http.StatusOK, http.MethodPost, "/v1/cart/items", apiclient.Line{ProductID: p.ID, Quantity: n},
			nil); err != nil {
			t.Fatal(err)
		}
	}
	var quote struct{ Total int64 }
	if err := me.Want(ctx, http.StatusOK, http.MethodPost, "/v1/checkout/quote", map[string]any{}, &quote); err != nil ||
		quote.Total != 12900+4*3900+8800 {
		t.Fatalf("quote %+v, %v", quote, err)
	}
	var o apiclient.Order
	err := me.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/checkout",
		map[string]any{"address_id": address, "expected_total": quote.Total}, &o, "Idempotency-Key", apiclient.Key())
	if err != nil || o.Status != "awaiting_payment" || o.Total != quote.Total || len(o.Lines) != 3 {
		t.Fatalf("checkout %+v, %v", o, err)
	}
	a, err := me.Pay(ctx, apiclient.Key(), o.ID, apiclient.CardGood)
	if err != nil || a.Status != http.StatusCreated {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me, o.ID, "paid")
	for p, left := range map[apiclient.Product]int64{tea: 9, cup: 6, tray: 9} {
		waitAvailable(t, p.ID, left)
	}
	err = eventually(ctx, waitFor, func() error {
		var c apiclient.Cart
		if err := me.Want(ctx, http.StatusOK, http.MethodGet, "/v1/cart", nil, &c); err != nil || len(c.Items) == 0 {
			return err
		}
		return fmt.Errorf("cart still has %v", c.Items)
	})
	if err != nil {
		t.Error(err)
	}
	if a, err := me.Pay(ctx, apiclient.Key(), o.ID, apiclient.CardGood); err != nil || a.Code() != "already_paid" {
		t.Errorf("paying again: %s, %v", a, err)
	}
	if a, err := me.Do(ctx, http.MethodPost, "/v1/orders/"+o.ID+"/cancel", nil); err != nil ||
		a.Code() != "order_not_cancellable" {
		t.Errorf("cancel a paid order: %s, %v", a, err)
	}
	audit(t)
}

// An unpaid order is cancelled once, its stock is released, and it cannot be paid any more.
func TestUnpaidOrderTimesOut(t *testing.T) {
	ctx := t.Context()
	me, address := shopper(t)
	p := product(t, "Slow tea", 1000, 5)
	payWithin(t, 3*time.Second)
	o := order(t, me, address, p.ID, 2)
	waitAvailable(t, p.ID, 3)
	o = waitOrder(t, me, o.ID, "cancelled")
	if o.CancelReason != "payment_timeout" || len(o.History) != 2 {
		t.Errorf("cancelled order %+v", o)
	}
	waitAvailable(t, p.ID, 5)
	if a, err := me.Pay(ctx, apiclient.Key(), o.ID, apiclient.CardGood); err != nil || a.Code() != "order_not_payable" {
		t.Errorf("pay after the time: %s, %v", a, err)
	}
	audit(t)
}

// Each card of the sandbox has its outcome. Payments with lost or slow answers are settled without the client.
func TestEachSandboxCardHasItsOutcome(t *testing.T) {
	for card, want := range map[string]struct {
		status int
		code   string
		order  string
	}{
		apiclient.CardGood:       {http.StatusCreated, "", "paid"},
		apiclient.CardDeclined:   {http.StatusPaymentRequired, "card_declined", "awaiting_payment"},
		apiclient.CardNoFunds:    {http.StatusPaymentRequired, "insufficient_funds", "awaiting_payment"},
		apiclient.CardUnanswered: {http.StatusCreated, "", "paid"},
		apiclient.CardSlow:       {http.StatusCreated, "", "paid"},
		"4242424242424241":       {http.StatusUnprocessableEntity, "validation_failed", "awaiting_payment"},
	} {
		t.Run(card, func(t *testing.T) {
			t.Parallel()
			me, address := shopper(t)
			o := order(t, me, address, product(t, "Card tea", 500, 3).ID, 1)
			key := apiclient.Key()
			a, err := me.Pay(t.Context(), key, o.ID, card)
			if err != nil || a.Status != want.status || a.Code() != want.code {
				t.Fatalf("pay: %s, %v; want %d %s", a, err, want.status, want.code)
			}
			again, err := me.Pay(t.Context(), key, o.ID, card)
			if err != nil || again.Status != a.Status || (a.Status < 400 || a.Status == 402) &&
				again.Header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("the same again: %s, replayed %q, %v", again, again.Header.Get("Idempotent-Replayed"), err)
			}
			waitOrder(t, me, o.ID, want.order)
			if want.order == "awaiting_payment" { // a failed attempt leaves the bill open
				if a, err := me.Pay(t.Context(), apiclient.Key(), o.ID, apiclient.CardGood); err != nil ||
					a.Status != http.StatusCreated {
					t.Errorf("another card: %s, %v", a, err)
				}
				waitOrder(t, me, o.ID, "paid")
			}
		})
	}
}

// 200 shoppers want one of 20 units: exactly 20 get one, all others are told sold_out.
func TestAFlashSaleSellsExactlyItsStock(t *testing.T) {
	const shoppers, stock = 200, 20
	p := product(t, "Flash tea", 900, stock)
	type buyer struct {
		c       *apiclient.Client
		address string
	}
	crowd := make([]buyer, shoppers)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 4) // sign-ups are limited because hashing passwords is slow on purpose
	for i := range crowd {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			crowd[i].c, crowd[i].address = shopper(t)
		})
	}
	wg.Wait()
	calls, invocations := callsOfCheckout(t)
	var mu sync.Mutex
	outcomes := map[string]int{}
	var sold []struct {
		buyer
		id string
	}
	for _, b := range crowd {
		wg.Go(func() {
			key := apiclient.Key()
			var a apiclient.Answer
			err := eventually(t.Context(), waitFor, func() error { // 503 means: repeat later with the same key
				var err error
				if a, err = b.c.Buy(t.Context(), key, b.address, apiclient.Line{ProductID: p.ID, Quantity: 1}); err == nil &&
					a.Status >= 500 {
					err = fmt.Errorf("%s", a)
				}
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			outcomes[fmt.Sprint(a.Status, " ", a.Code())]++
			if a.Status == http.StatusCreated {
				var o apiclient.Order
				if err := a.Into(&o); err != nil {
					t.Error(err)
				}
				sold = append(sold, struct {
					buyer
					id string
				}{b, o.ID})
			}
		})
	}
	wg.Wait()
	if len(sold) != stock || outcomes["409 sold_out"] != shoppers-stock {
		t.Fatalf("outcomes %v, want %d sold and the rest sold out", outcomes, stock)
	}
	nowCalls, nowInvocations := callsOfCheckout(t)
	calls, invocations = nowCalls-calls, nowInvocations-invocations
	t.Logf("%.0f calls of product and order shared %.0f invocations", calls, invocations)
	if calls < shoppers+stock || invocations >= calls {
		t.Errorf("%.0f calls needed %.0f invocations, want calls that share them", calls, invocations)
	}
	for _, s := range sold {
		if a, err := s.c.Pay(t.Context(), apiclient.Key(), s.id, apiclient.CardGood); err != nil ||
			a.Status != http.StatusCreated {
			t.Errorf("pay: %s, %v", a, err)
		}
	}
	for _, s := range sold {
		waitOrder(t, s.c, s.id, "paid")
	}
	waitAvailable(t, p.ID, 0)
	audit(t)
}

// When a shopper cancels an order, its stock is released and its payment is refused.
func TestCancellingAnOrderReleasesItsStock(t *testing.T) {
	me, address := shopper(t)
	p := product(t, "Regretted tea", 700, 4)
	o := order(t, me, address, p.ID, 3)
	waitAvailable(t, p.ID, 1)
	key := apiclient.Key()
	for range 2 {
		var got apiclient.Order
		if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/orders/"+o.ID+"/cancel", nil, &got,
			"Idempotency-Key", key); err != nil || got.Status != "cancelled" {
			t.Errorf("cancel: %+v, %v", got, err)
		}
	}
	waitAvailable(t, p.ID, 4)
	err := eventually(t.Context(), waitFor, func() error {
		a, err := me.Pay(t.Context(), apiclient.Key(), o.ID, apiclient.CardGood)
		if err == nil && a.Code() != "order_not_payable" {
			err = fmt.Errorf("pay a cancelled order: %s", a)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	audit(t)
}

// callsOfCheckout are checkout's calls of product and order that may share invocations, and those invocations.
func callsOfCheckout(t *testing.T) (calls, invocations float64) {
	t.Helper()
	return metric(t, "checkout", "mall_calls_per_invocation_sum"), metric(t, "checkout", "mall_calls_per_invocation_count")
}
