//go:build e2e

package e2e

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// Clients hang up in the middle of every kind of request for a minute: no process of the mall ends, and nobody else is
// refused. Before, a sidecar died of one in 420.
func TestAbortedRequestsHarmNobody(t *testing.T) {
	before := status(t)
	rude, polite := newShopping(t), newShopping(t)
	stop, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var aborted, served atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for stop.Err() == nil {
				rude.buy, rude.pay = apiclient.Key(), apiclient.Key()
				wishes := rude.wishes()
				names := slices.Collect(maps.Keys(wishes))
				name := names[rand.IntN(len(names))]
				if name == "sign in" && rand.IntN(20) > 0 {
					continue // hashing passwords would be all there is to do
				}
				ctx, hangUp := context.WithTimeout(t.Context(), time.Duration(rand.IntN(12_000))*time.Microsecond)
				_, err := wishes[name](ctx)
				hangUp()
				if errors.Is(err, context.DeadlineExceeded) {
					aborted.Add(1)
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for stop.Err() == nil {
				polite := polite
				polite.buy, polite.pay = apiclient.Key(), apiclient.Key()
				for name, wish := range polite.wishes() {
					if a, err := wish(t.Context()); err != nil || a.Status >= 500 || a.Status == 429 {
						t.Errorf("beside aborted requests: %s: %s, %v", name, a, err)
					}
					served.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d requests were aborted, %d served beside them", aborted.Load(), served.Load())
	if aborted.Load() < 420 || served.Load() < 50 {
		t.Errorf("only %d requests were aborted and %d served: too few to tell", aborted.Load(), served.Load())
	}
	for name, p := range status(t) {
		if p.Restarts != before[name].Restarts {
			t.Errorf("%s was restarted %d times", name, p.Restarts-before[name].Restarts)
		}
	}
	balanced(t)
}
