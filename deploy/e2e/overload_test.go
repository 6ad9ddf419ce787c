//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/shop"
)

// rush is what a crowd of buyers met.
type rush struct {
	bought, refused []time.Duration // how long each answer took
	odd             map[string]int  // what no buyer should meet
	took            time.Duration
}

func (r rush) goodput() float64 { return float64(len(r.bought)) / r.took.Seconds() }

// rushOf lets a crowd buy for a while, each one order after the other. A refusal is taken as it is told: come again after a second.
func rushOf(t *testing.T, crowd int, lasts time.Duration, buyers []shopping, p shop.Product) rush {
	t.Helper()
	r := rush{odd: map[string]int{}}
	began := time.Now()
	stop, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			me := buyers[i%len(buyers)]
			for stop.Err() == nil {
				asked := time.Now()
				a, err := me.me.Buy(t.Context(), shop.Key(), me.address, shop.Line{ProductID: p.ID, Quantity: 1})
				took := time.Since(asked)
				mu.Lock()
				switch {
				case err == nil && a.Status == http.StatusCreated:
					r.bought = append(r.bought, took)
				case err == nil && unavailable(a) == "":
					r.refused = append(r.refused, took)
				default:
					r.odd[fmt.Sprint(a, err)]++
				}
				mu.Unlock()
				if err != nil || a.Status != http.StatusCreated {
					select {
					case <-stop.Done():
					case <-time.After(time.Second): // Retry-After, as a client should
					}
				}
			}
		})
	}
	wg.Wait()
	r.took = time.Since(began)
	return r
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// Many times as many buyers as the mall can serve: it goes on selling, refuses the rest early and cleanly, and is itself again afterwards.
func TestOverload(t *testing.T) {
	mustMall(t, "config", "set", "gateway.max_in_flight", "512") // the default
	t.Cleanup(func() {
		if out, err := mall(context.WithoutCancel(t.Context()), "config", "set", "gateway.max_in_flight", "2000"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	buyers := make([]shopping, 8)
	for i := range buyers {
		buyers[i] = newShopping(t)
	}
	p := product(t, "Rush tea", 900, 1_000_000)
	rushOf(t, 64, time.Second, buyers, p) // nobody's first request counts
	calm := rushOf(t, 64, 3*time.Second, buyers, p)
	before := metric(t, "api-gateway", "mall_gateway_limited_total")
	storm := rushOf(t, 2000, 6*time.Second, buyers, p)
	t.Logf("64 buyers: %.0f orders a second, %d refused; 2000 buyers: %.0f, %d refused, median %v for an order, %v for a refusal",
		calm.goodput(), len(calm.refused), storm.goodput(), len(storm.refused), median(storm.bought), median(storm.refused))
	for what, n := range storm.odd {
		t.Errorf("%d times: %s", n, what)
	}
	if len(storm.refused) == 0 || metric(t, "api-gateway", "mall_gateway_limited_total") == before {
		t.Errorf("%d of 2000 buyers were refused, want the mall to be full", len(storm.refused))
	}
	if storm.goodput() < calm.goodput()/2 {
		t.Errorf("%.0f orders a second in the storm, %.0f before it", storm.goodput(), calm.goodput())
	}
	if median(storm.refused) > median(storm.bought)/2 {
		t.Errorf("a refusal took %v, an order %v; want refusals early", median(storm.refused), median(storm.bought))
	}
	after := rushOf(t, 64, 3*time.Second, buyers, p)
	if len(after.odd) > 0 || len(after.refused) > 0 || after.goodput() < calm.goodput()/2 {
		t.Errorf("after the storm: %.0f orders a second (%.0f before it), %d refused, %v", after.goodput(), calm.goodput(), len(after.refused), after.odd)
	}
	sold := int64(len(calm.bought) + len(storm.bought) + len(after.bought))
	orders, err := number(t.Context(), database(t, "order"), "SELECT count(*) FROM order_lines WHERE product_id = $1", p.ID)
	if err != nil || orders < sold {
		t.Errorf("%d orders exist, %v; %d were answered", orders, err, sold)
	}
	audit(t)
}
