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

	"daprmall.dev/deploy/internal/apiclient"
)

// crowdResult is what a crowd of buyers got.
type crowdResult struct {
	bought, refused []time.Duration // the time each answer took
	odd             map[string]int  // answers that no buyer should get
	took            time.Duration
}

func (r crowdResult) goodput() float64 { return float64(len(r.bought)) / r.took.Seconds() }

// runCrowd lets a crowd buy for a while, each buyer one order after the other. After a refusal a buyer waits a second,
// as Retry-After says.
func runCrowd(t *testing.T, crowd int, lasts time.Duration, buyers []shopping, p apiclient.Product) crowdResult {
	t.Helper()
	r := crowdResult{odd: map[string]int{}}
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
				a, err := me.me.Buy(t.Context(), apiclient.Key(), me.address, apiclient.Line{ProductID: p.ID, Quantity: 1})
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
					case <-time.After(time.Second): // wait as long as Retry-After says
					}
				}
			}
		})
	}
	wg.Wait()
	r.took = time.Since(began)
	return r
}

// times is the sum and the number of the gateway's response times of checkouts.
type times struct{ sum, count float64 }

// timesOf reads the gateway's response times of checkouts that were answered with a status.
func timesOf(t *testing.T, status int) times {
	t.Helper()
	series := func(kind string) float64 {
		return metric(t, "api-gateway", fmt.Sprintf(
			`mall_http_request_seconds_%s{method="POST",route="/v1/checkout",status="%d"}`, kind, status))
	}
	return times{series("sum"), series("count")}
}

// since returns the mean of the response times after before, in seconds.
func (now times) since(before times) float64 {
	return (now.sum - before.sum) / (now.count - before.count)
}

// median returns 0 for an empty list: then another check has failed already.
func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// With many times as many buyers as the mall can serve, it continues to sell, refuses the rest early and correctly, and
// recovers afterwards.
func TestAnOverloadedMallKeepsSelling(t *testing.T) {
	setInFlight(t, 512) // the default
	withoutCaps(t)      // few shoppers do what many would
	buyers := make([]shopping, 8)
	for i := range buyers {
		buyers[i] = newShopping(t)
	}
	p := product(t, "Rush tea", 900, 1_000_000)
	runCrowd(t, 64, time.Second, buyers, p) // a warm-up that is not measured
	calm := runCrowd(t, 64, 3*time.Second, buyers, p)
	before, served, refused := metric(t, "api-gateway", "mall_gateway_limited_total"), timesOf(t, http.StatusCreated),
		timesOf(t, http.StatusServiceUnavailable)
	storm := runCrowd(t, 2000, 6*time.Second, buyers, p)
	t.Logf("64 buyers: %.0f orders a second, %d refused; 2000 buyers: %.0f, %d refused, median %v for an order, %v for a "+
		"refusal",
		calm.goodput(), len(calm.refused), storm.goodput(), len(storm.refused), median(storm.bought), median(storm.refused))
	if len(calm.bought) == 0 || len(storm.bought) == 0 {
		t.Fatalf("nobody could buy: %d orders before the overload, %d during it, %v", len(calm.bought), len(storm.bought),
			storm.odd)
	}
	for what, n := range storm.odd {
		t.Errorf("%d times: %s", n, what)
	}
	if len(storm.refused) == 0 || metric(t, "api-gateway", "mall_gateway_limited_total") == before {
		t.Errorf("%d of 2000 buyers were refused, want some: the mall must be full", len(storm.refused))
	}
	if storm.goodput() < calm.goodput()/2 {
		t.Errorf("%.0f orders a second during the overload, %.0f before it", storm.goodput(), calm.goodput())
	}
	// The gateway's own times are compared. The times that clients see depend on how two thousand clients share the
	// machine with the mall.
	order, refusal := timesOf(t, http.StatusCreated).since(served),
		timesOf(t, http.StatusServiceUnavailable).since(refused)
	t.Logf("in the gateway: %.1f ms for an order, %.1f ms for a refusal", 1000*order, 1000*refusal)
	if refusal > order/4 {
		t.Errorf("in the gateway a refusal took %.4f s and an order %.4f s; want refusals to be faster", refusal, order)
	}
	after := runCrowd(t, 64, 3*time.Second, buyers, p)
	if len(after.odd) > 0 || len(after.refused) > 0 || after.goodput() < calm.goodput()/2 {
		t.Errorf("after the overload: %.0f orders a second (%.0f before it), %d refused, %v", after.goodput(), calm.goodput(),
			len(after.refused), after.odd)
	}
	sold := int64(len(calm.bought) + len(storm.bought) + len(after.bought))
	orders, err := number(t.Context(), database(t, "order"), "SELECT count(*) FROM order_lines WHERE product_id = $1",
		p.ID)
	if err != nil || orders < sold {
		t.Errorf("%d orders exist, %v; %d were answered", orders, err, sold)
	}
	audit(t)
}
