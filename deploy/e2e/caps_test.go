//go:build e2e

package e2e

import (
	"context"
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
				if err := a.Into(&o); err != nil {
					t.Error(err)
				}
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

// A shopper can have 1000 units of a product in unpaid orders, with many checkouts at once. Others find the rest, all
// the time, and no stock is lost.
func TestOneShopperHoldsNotAllUnits(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	me, address := shopper(t)
	other, elsewhere := shopper(t)
	p := product(t, "Besieged tea", 100, 1020)
	order(t, me, address, p.ID, 999)
	var mu sync.Mutex
	placed := 0
	var wg sync.WaitGroup
	turn := make(chan struct{}, 10)
	for range 30 {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			a, err := me.Buy(ctx, apiclient.Key(), address, apiclient.Line{ProductID: p.ID, Quantity: 1})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && a.Status == http.StatusCreated {
				placed++
				return
			}
			var r reachedLimit
			if err != nil || a.Into(&r) != nil || a.Status != http.StatusConflict || r.Code != "too_many_held_units" ||
				r.Limit.Name != "checkout.max_held_units" || r.Limit.Most != 1000 || r.Limit.Used != 1000 ||
				time.Until(r.Limit.Until) <= 0 || a.Header.Get("Retry-After") == "" {
				t.Errorf("refused: %s, %v, want too_many_held_units with its limit", a, err)
			}
		})
	}
	for range 20 { // all that is left, while the other one tries to take it
		order(t, other, elsewhere, p.ID, 1)
	}
	wg.Wait()
	if placed != 1 {
		t.Errorf("%d more orders of one unit, want 1", placed)
	}
}

// The last unit is in the shopper's own unpaid order: a second checkout says so, at once and later, and the order can
// be paid or cancelled. Others only see that it is sold out.
func TestTheLastUnitIsInMyOwnOrder(t *testing.T) {
	t.Parallel()
	me, address := shopper(t)
	other, elsewhere := shopper(t)
	p := product(t, "Single tea", 100, 1)
	line := apiclient.Line{ProductID: p.ID, Quantity: 1}
	first := order(t, me, address, p.ID, 1)
	refused := func(c *apiclient.Client, at string, line apiclient.Line) reachedLimit {
		t.Helper()
		a, err := c.Buy(t.Context(), apiclient.Key(), at, line)
		var r reachedLimit
		if err != nil || a.Into(&r) != nil || a.Status != http.StatusConflict {
			t.Fatalf("checkout: %s, %v, want a refusal", a, err)
		}
		return r
	}
	own := func(when string) {
		t.Helper()
		if r := refused(me, address, line); r.Code != "held_by_your_order" || len(r.OrderIDs) != 1 ||
			r.OrderIDs[0] != first.ID {
			t.Errorf("%s: %+v, want held_by_your_order with order %s", when, r, first.ID)
		}
	}
	own("at once") // order.placed may not have been handled
	err := eventually(t.Context(), waitFor, func() error {
		var seen apiclient.Product
		if err := me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/"+p.ID, nil, &seen); err != nil {
			return err
		}
		if seen.Available != 0 {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	own("once it is reserved")
	if r := refused(me, address, apiclient.Line{ProductID: p.ID, Quantity: 2}); r.Code != "sold_out" {
		t.Errorf("two: %+v, want sold_out: one would not be enough", r)
	}
	if r := refused(other, elsewhere, line); r.Code != "sold_out" || len(r.OrderIDs) > 0 {
		t.Errorf("another shopper: %+v, want sold_out without orders", r)
	}
	do(t, me, http.MethodPost, "/v1/orders/"+first.ID+"/cancel", nil)
	err = eventually(t.Context(), waitFor, func() error {
		a, err := me.Buy(t.Context(), apiclient.Key(), address, line)
		if err == nil && a.Status != http.StatusCreated {
			err = errors.New(a.String())
		}
		return err
	})
	if err != nil {
		t.Errorf("after the order was cancelled: %v", err)
	}
}

// An operator sees what a shopper holds and releases it: the order is cancelled, and its stock is for sale again.
func TestAnOperatorReleasesWhatAShopperHolds(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newMember(t)
	address, err := m.Address(ctx, "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	p, q := product(t, "Taken tea", 100, 3), product(t, "Taken cup", 100, 3)
	o := order(t, m.Client, address, p.ID, 3)
	order(t, m.Client, address, q.ID, 1)
	waitAvailable(t, p.ID, 0)
	waitAvailable(t, q.ID, 2)
	var page struct {
		Items []struct {
			OrderID   string    `json:"order_id"`
			UserID    string    `json:"user_id"`
			ProductID string    `json:"product_id"`
			Quantity  int64     `json:"quantity"`
			State     string    `json:"state"`
			Until     time.Time `json:"until"`
		} `json:"items"`
	}
	for filter, want := range map[string]int{"?product_id=" + p.ID: 1, "?user_id=" + m.id: 2,
		"?user_id=" + m.id + "&product_id=" + p.ID: 1} {
		if err := admin.Want(ctx, http.StatusOK, http.MethodGet, "/v1/admin/holds"+filter, nil, &page); err != nil {
			t.Fatal(err)
		}
		first := page.Items[0]
		if len(page.Items) != want || first.OrderID != o.ID || first.UserID != m.id || first.ProductID != p.ID ||
			first.Quantity != 3 || first.State != "unpaid_order" || !first.Until.Equal(o.PaymentDueAt) {
			t.Errorf("%s: %+v, want %d, first order %s", filter, page.Items, want, o.ID)
		}
	}
	path, why := "/v1/admin/holds/"+o.ID+"/release", map[string]any{"reason": "tests"}
	var done struct{ Outcome string }
	if err := admin.Want(ctx, http.StatusOK, http.MethodPost, path, why, &done); err != nil ||
		done.Outcome != "order_cancelled" {
		t.Errorf("release: %+v, %v, want order_cancelled", done, err)
	}
	if o = waitOrder(t, m.Client, o.ID, "cancelled"); o.CancelReason != "cancelled_by_operator" {
		t.Errorf("the order was cancelled with %q, want cancelled_by_operator", o.CancelReason)
	}
	waitAvailable(t, p.ID, 3)
	if a := do(t, admin, http.MethodPost, path, why); a.Status != http.StatusNotFound {
		t.Errorf("once more: %s, want 404", a)
	}
	if a := do(t, m.Client, http.MethodPost, path, why); a.Status != http.StatusForbidden {
		t.Errorf("by the shopper: %s, want 403", a)
	}
}

// withoutCaps switches the caps of a shopper off for the rest of a test that runs alone. It waits until that is
// followed: checkout reads its settings every three seconds.
func withoutCaps(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	p := product(t, "Uncapped tea", 100, 1_000_000)
	follow := func(want int) {
		t.Helper()
		err := eventually(ctx, waitFor, func() error {
			me, err := visitor.SignUp(ctx, newEmail())
			if err != nil {
				return err
			}
			address, err := me.Address(ctx, "Shanghai")
			if err != nil {
				return err
			}
			var a apiclient.Answer
			for range 2 {
				if a, err = me.Buy(ctx, apiclient.Key(), address, apiclient.Line{ProductID: p.ID, Quantity: 999}); err != nil {
					return err
				}
			}
			if a.Status != want {
				return errors.New(a.String())
			}
			return nil
		})
		if err != nil {
			t.Errorf("the caps are not followed: %v", err)
		}
	}
	mustMall(t, "config", "set", "checkout.max_open_orders", "0", "checkout.max_held_units", "0")
	t.Cleanup(func() {
		for _, key := range []string{"checkout.max_open_orders", "checkout.max_held_units"} {
			if out, err := mall(ctx, "config", "unset", key); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}
		follow(http.StatusConflict)
	})
	follow(http.StatusCreated)
}
