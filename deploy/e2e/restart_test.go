//go:build e2e

package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// A restart on request refuses no request, because the new process listens before the old one drains. The clients here
// repeat nothing.
func TestARestartOnRequestLosesNoRequest(t *testing.T) {
	me, address := shopper(t)
	withoutCaps(t)
	p := product(t, "Restarted tea", 100, 100_000)
	over := make(chan struct{})
	var asked atomic.Int64
	var shoppers sync.WaitGroup
	for _, ask := range []func() error{
		func() error {
			return visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/"+p.ID, nil, nil)
		},
		func() error { return me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/cart", nil, nil) },
		func() error {
			line := map[string]any{"product_id": p.ID, "quantity": 1}
			if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items", line, nil); err != nil {
				return err
			}
			// The quantity of a cart line is limited.
			return me.Want(t.Context(), http.StatusOK, http.MethodDelete, "/v1/cart/items/"+p.ID, nil, nil)
		},
		func() error {
			order := map[string]any{"address_id": address, "items": []apiclient.Line{{ProductID: p.ID, Quantity: 1}}}
			return me.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/checkout", order, nil, "Idempotency-Key",
				apiclient.Key())
		},
	} {
		shoppers.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				asked.Add(1)
				if err := ask(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	before := status(t)
	for _, service := range []string{"order", "product", "checkout", "cart", "api-gateway"} {
		mustMall(t, "restart", service)
	}
	close(over)
	shoppers.Wait()
	t.Logf("%d requests", asked.Load())
	for name, p := range status(t) {
		if p.Restarts != before[name].Restarts || p.State != "running" {
			t.Errorf("%s is %s with %d crashes, had %d", name, p.State, p.Restarts, before[name].Restarts)
		}
	}
	if after := status(t)["order"]; after.PID == before["order"].PID {
		t.Error("order was not restarted")
	}
}
