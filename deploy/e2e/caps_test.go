//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// reachedLimit is the refusal of a checkout by a cap.
type reachedLimit struct {
	Code  string `json:"code"`
	Limit struct {
		Name  string    `json:"name"`
		Most  int64     `json:"max"`
		Used  int64     `json:"used"`
		Until time.Time `json:"until"`
	} `json:"limit"`
	OrderIDs []string `json:"order_ids"`
}

// A shopper who never pays has at most 50 orders, also with many checkouts at once. Others can buy, and paying or
// cancelling one makes room for another.
func TestOneShopperHasFewUnpaidOrders(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	me, address := shopper(t)
	p := product(t, "Hoarded tea", 100, 60)
	const tries = 60
	var mu sync.Mutex
	var placed []apiclient.Order
	var wg sync.WaitGroup
	turn := make(chan struct{}, 12)
	for range tries {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			a, err := me.Buy(ctx, apiclient.Key(), address, apiclient.Line{ProductID: p.ID, Quantity: 1})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && a.Status == http.StatusCreated {
				var o apiclient.Order
				err = a.Into(&o)
				placed = append(placed, o)
				return
			}
			var r reachedLimit
			if err != nil || a.Into(&r) != nil || a.Status != http.StatusConflict || r.Code != "too_many_open_orders" ||
				r.Limit.Name != "checkout.max_open_orders" || r.Limit.Most != 50 || r.Limit.Used != 50 ||
				r.Limit.Until.IsZero() || a.Header.Get("Retry-After") == "" {
				t.Errorf("refused: %s, %v, want too_many_open_orders with its limit", a, err)
			}
		})
	}
	wg.Wait()
	if len(placed) != 50 {
		t.Fatalf("%d of %d unpaid orders were placed, want 50", len(placed), tries)
	}
	other, elsewhere := shopper(t)
	order(t, other, elsewhere, p.ID, 1)
	if a, err := me.Pay(ctx, apiclient.Key(), placed[0].ID, apiclient.CardGood); err != nil ||
		a.Status != http.StatusCreated {
		t.Fatalf("pay: %s, %v", a, err)
	}
	do(t, me, http.MethodPost, "/v1/orders/"+placed[1].ID+"/cancel", nil)
	for _, made := range []string{"by the cancelled order", "by the paid order, of which order hears by an event"} {
		err := eventually(ctx, waitFor, func() error {
			a, err := me.Buy(ctx, apiclient.Key(), address, apiclient.Line{ProductID: p.ID, Quantity: 1})
			if err == nil && a.Status != http.StatusCreated {
				err = errors.New(a.String())
			}
			return err
		})
		if err != nil {
			t.Errorf("an order made possible %s: %v", made, err)
		}
	}
}
