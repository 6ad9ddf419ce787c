//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// shippingCosts changes the shipping fee for the rest of one test, and waits until checkout has read it.
func shippingCosts(t *testing.T, c *apiclient.Client, productID, fee string) {
	t.Helper()
	read := func(ctx context.Context, want string) error {
		return eventually(ctx, waitFor, func() error {
			var q struct {
				Shipping int64 `json:"shipping"`
			}
			err := c.Want(ctx, http.StatusOK, http.MethodPost, "/v1/checkout/quote",
				map[string]any{"items": []apiclient.Line{{ProductID: productID, Quantity: 1}}}, &q)
			if got := fmt.Sprint(q.Shipping); err == nil && got != want {
				err = fmt.Errorf("shipping costs %s, want %s", got, want)
			}
			return err
		})
	}
	mustMall(t, "config", "set", "checkout.shipping_fee", fee)
	if err := read(t.Context(), fee); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context()) // t's own context has ended by now
		out, err := mall(ctx, "config", "unset", "checkout.shipping_fee")
		if err == nil {
			err = read(ctx, "1000")
		}
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A free product is sold. An order that costs nothing is paid without a card; one with shipping is paid as usual.
func TestFreeGoodsAreSold(t *testing.T) {
	me, address := shopper(t)
	p := product(t, "Sample of tea", 0, 10)
	sent := order(t, me, address, p.ID, 1)
	if sent.Subtotal != 0 || sent.Total != 1000 {
		t.Errorf("with shipping: %+v", sent)
	}
	a, err := me.Pay(t.Context(), apiclient.Key(), sent.ID, apiclient.CardGood)
	if err != nil || a.Status != http.StatusCreated {
		t.Errorf("pay the shipping: %s, %v", a, err)
	}
	waitOrder(t, me, sent.ID, "paid")

	shippingCosts(t, me, p.ID, "0")
	free := order(t, me, address, p.ID, 3)
	if free.Total != 0 || free.Status != "awaiting_payment" {
		t.Errorf("without shipping: %+v", free)
	}
	for what, body := range map[string]any{
		"without a card": map[string]any{"order_id": free.ID},
		"with a card": map[string]any{"order_id": free.ID, "card": map[string]any{"number": apiclient.CardGood,
			"exp_month": 12, "exp_year": 2035, "cvc": "123"}},
	} {
		a := do(t, me, http.MethodPost, "/v1/payments", body, "Idempotency-Key", apiclient.Key())
		if a.Status != http.StatusConflict || a.Code() != "already_paid" {
			t.Errorf("pay %s: %s, want already_paid", what, a)
		}
	}
	waitOrder(t, me, free.ID, "paid")
	waitAvailable(t, p.ID, 6)
	if a := do(t, me, http.MethodPost, "/v1/orders/"+free.ID+"/cancel", nil); a.Code() != "order_not_cancellable" {
		t.Errorf("cancel: %s", a)
	}

	// Cancelled at once: the order is paid or cancelled, and if both then nothing is kept.
	raced := order(t, me, address, p.ID, 1)
	do(t, me, http.MethodPost, "/v1/orders/"+raced.ID+"/cancel", nil)
	audit(t)
}
