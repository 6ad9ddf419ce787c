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

// An earlier version lost a sidecar by one aborted request in 420.
const fewAborts, enoughAborts = 420, 10 * 420

// For at most a minute, clients disconnect in the middle of every kind of request. No process of the mall ends, and no
// other client is refused.
func TestAbortedRequestsHarmNoOtherClient(t *testing.T) {
	before := status(t)
	aborting, otherShopper := newShopping(t), newShopping(t)
	stop, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var aborted, served atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for stop.Err() == nil {
				aborting.buy, aborting.pay = apiclient.Key(), apiclient.Key()
				requests := aborting.requests()
				names := slices.Collect(maps.Keys(requests))
				name := names[rand.IntN(len(names))]
				if name == "sign in" && rand.IntN(20) > 0 {
					continue // it would only keep the mall busy with hashing passwords
				}
				ctx, hangUp := context.WithTimeout(t.Context(), time.Duration(rand.IntN(12_000))*time.Microsecond)
				_, err := requests[name](ctx)
				hangUp()
				if errors.Is(err, context.DeadlineExceeded) && aborted.Add(1) == enoughAborts {
					cancel()
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for stop.Err() == nil {
				otherShopper := otherShopper
				otherShopper.buy, otherShopper.pay = apiclient.Key(), apiclient.Key()
				for name, request := range otherShopper.requests() {
					if a, err := request(t.Context()); err != nil || a.Status >= 500 || a.Status == 429 {
						t.Errorf("beside aborted requests: %s: %s, %v", name, a, err)
					}
					served.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d requests were aborted, %d others served meanwhile", aborted.Load(), served.Load())
	if aborted.Load() < fewAborts || served.Load() < 50 {
		t.Errorf("only %d requests were aborted and %d served: too few to prove anything", aborted.Load(), served.Load())
	}
	for name, p := range status(t) {
		if p.Restarts != before[name].Restarts {
			t.Errorf("%s was restarted %d times", name, p.Restarts-before[name].Restarts)
		}
	}
	auditPatiently(t)
}
