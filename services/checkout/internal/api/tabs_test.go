package api_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"daprmall.dev/services/checkout/internal/checkout"
)

// tabs are a shopper's tabs: peers that may be called at the same time. The order's event has not arrived yet.
type tabs struct {
	*fakePeers
	sync.Mutex
}

func (w *tabs) Contents(ctx context.Context) (checkout.CartContents, error) {
	w.Lock()
	defer w.Unlock()
	return w.fakePeers.Contents(ctx)
}

func (w *tabs) Take(ctx context.Context, id string, items []checkout.Item) error {
	w.Lock()
	defer w.Unlock()
	return w.fakePeers.Take(ctx, id, items)
}

func (w *tabs) Hold(ctx context.Context, id string, items []checkout.Item, most int64) (checkout.HoldResult, error) {
	w.Lock()
	defer w.Unlock()
	return w.fakePeers.Hold(ctx, id, items, most)
}

func (w *tabs) Place(ctx context.Context, r checkout.Record, lines []checkout.Line,
	t checkout.Totals, maxOpen int64) (checkout.Order, error) {
	w.Lock()
	defer w.Unlock()
	return w.fakePeers.Place(ctx, r, lines, t, maxOpen)
}

// Several tabs check out one cart at the same moment, or one after the other before the event of the first order. The
// cart is bought once.
func TestACartIsBoughtOnceFromManyTabs(t *testing.T) {
	for _, atOnce := range []bool{true, false} {
		w := &tabs{}
		c := openWith(t, func(f *fakePeers) peers { w.fakePeers = f; return w })
		var wg sync.WaitGroup
		var sum sync.Mutex
		codes := map[string]int{}
		for i := range 8 {
			tab := func() {
				_, code := c.send(fmt.Sprint("tab", i), theCart)
				sum.Lock()
				codes[code]++
				sum.Unlock()
			}
			if atOnce {
				wg.Go(tab)
			} else {
				tab()
			}
		}
		wg.Wait()
		if len(c.orders) != 1 || codes[""] != 1 || codes["empty_cart"] != 7 {
			t.Errorf("at once %v: %d orders, %v; want one, and an empty cart for the others", atOnce, len(c.orders), codes)
		}
	}
}

// What was added between two checkouts is bought by the second one, although the cart still shows both.
func TestTheSecondCheckoutBuysWhatWasAdded(t *testing.T) {
	c := open(t)
	first, _ := c.send("first", theCart)
	c.cart = append(c.cart, checkout.Item{ProductID: "6", Quantity: 1})
	second, code := c.send("second", theCart)
	if c.orders[first] != "[{5 2 <nil>}] to Wuhan" || c.orders[second] != "[{6 1 <nil>}] to Wuhan" {
		t.Errorf("%q, orders %v", code, c.orders)
	}
	if third, code := c.send("third", theCart); code != "empty_cart" || len(c.orders) != 2 {
		t.Errorf("third: %q %q, orders %v", third, code, c.orders)
	}
}

// The first tab's process died. The second tab is asked to wait while another run of the first may go on; afterwards
// it buys the cart, unless the first has placed its order.
func TestASecondTabAfterACrash(t *testing.T) {
	for at, placed := range map[string]bool{"before hold": false, "after order": true} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			c.dies(at, theCart)
			if _, code := c.send("second", theCart); code != "request_in_progress" {
				t.Errorf("at once: %q, want request_in_progress", code)
			}
			c.sql("UPDATE checkouts SET created_at = now() - interval '1 minute'")
			id, code := c.send("second", theCart)
			switch {
			case placed && (code != "empty_cart" || len(c.orders) != 1):
				t.Errorf("the first has an order: %q %q, orders %v; want an empty cart", id, code, c.orders)
			case !placed && (c.orders[id] == "" || len(c.orders) != 1):
				t.Errorf("the first has none: %q %q, orders %v; want one order", id, code, c.orders)
			}
		})
	}
}

// A key may be used again once it was purged. The checkout that it stood for then, and whose process died, does not
// keep its successor away.
func TestAPurgedKeyOfADeadCheckoutCanBeUsedAgain(t *testing.T) {
	c := open(t)
	c.dies("before hold", theCart)
	c.sql("UPDATE checkouts SET created_at = now() - interval '3 days'")
	c.sql("DELETE FROM idempotency_keys")
	if id, code := c.send("k", theCart); code != "" || c.orders[id] == "" {
		t.Errorf("%q %q, orders %v; want an order", id, code, c.orders)
	}
}
