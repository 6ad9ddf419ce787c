package sidecar

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/sony/gobreaker/v2"

	"daprmall.dev/services/kit/problem"
)

// A breaker opens when half of at least breakerRequests in breakerWindow have failed. It stays open for breakerPause,
// then lets breakerProbes through, and closes if none of them fails.
const (
	breakerRequests = 20
	breakerWindow   = 10 * time.Second
	breakerPause    = 5 * time.Second
	breakerProbes   = 5
)

// CodeOverloaded is the code of a 503 by which a service sheds load. It does not count as a failure: other requests
// succeed.
const CodeOverloaded = "overloaded"

var (
	breakerState = promauto.NewGaugeVec(prometheus.GaugeOpts{Name: "mall_breaker_state",
		Help: "Circuit breaker of a route of another app: 0 closed, 1 half open, 2 open."}, []string{"app", "route"})
	breakerRefused = promauto.NewCounterVec(prometheus.CounterOpts{Name: "mall_breaker_refused_total",
		Help: "Calls refused at once because the route's breaker was open."}, []string{"app", "route"})
)

// BreakerMetrics are for a process that has a registry of its own.
func BreakerMetrics() []prometheus.Collector {
	return []prometheus.Collector{breakerState, breakerRefused}
}

// Breakers stop calls to failing routes. Each route of an app has its own breaker, so that one failing route does not
// close the others: Dapr's breakers count every 4xx as a failure and are kept per path with its ids (ADR 28).
type Breakers struct {
	mu sync.Mutex
	of map[[2]string]*gobreaker.TwoStepCircuitBreaker[any]
}

// NewBreakers makes an empty set.
func NewBreakers() *Breakers {
	return &Breakers{of: map[[2]string]*gobreaker.TwoStepCircuitBreaker[any]{}}
}

var errFailed = errors.New("failed")

// Allow admits a call of an app's route (method and pattern, without ids), or refuses it with Unavailable because too
// many have failed. The caller reports by done whether the call failed.
func (b *Breakers) Allow(app, route string) (done func(failed bool), err error) {
	breaker := b.get(app, route)
	if breaker.State() == gobreaker.StateClosed {
		return func(failed bool) { record(breaker, failed) }, nil
	}
	end, err := breaker.Allow()
	if err != nil {
		breakerRefused.WithLabelValues(app, route).Inc()
		return nil, problem.NewUnavailable(fmt.Errorf("%s %s: %w", app, route, err), breakerPause,
			"A part of the mall does not work right now.")
	}
	return func(failed bool) { end(outcome(failed)) }, nil
}

// record counts a call of a closed breaker when it ends. The library counts a call when it begins, and forgets one that
// takes longer than the window: an app that hangs would never open it.
func record(breaker *gobreaker.TwoStepCircuitBreaker[any], failed bool) {
	if breaker.State() != gobreaker.StateClosed { // it tells nothing about the time after
		return
	}
	if end, err := breaker.Allow(); err == nil {
		end(outcome(failed))
	}
}

func outcome(failed bool) error {
	if failed {
		return errFailed
	}
	return nil
}

func (b *Breakers) get(app, route string) *gobreaker.TwoStepCircuitBreaker[any] {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{app, route}
	if b.of[key] == nil {
		state := breakerState.WithLabelValues(app, route)
		b.of[key] = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
			Interval: breakerWindow, BucketPeriod: breakerWindow / 10, Timeout: breakerPause, MaxRequests: breakerProbes,
			ReadyToTrip: func(c gobreaker.Counts) bool {
				return c.Requests >= breakerRequests && 2*c.TotalFailures >= c.Requests
			},
			OnStateChange: func(_ string, _, to gobreaker.State) { state.Set(float64(to)) },
		})
	}
	return b.of[key]
}

// Failed reports whether an answer counts as a failure of its route. Dapr's own errors have 403 and 500 and count; a
// service's refusals do not. code is that of the problem document, "" if there is none.
func Failed(status int, code string, daprMade bool) bool {
	return daprMade || status >= http.StatusInternalServerError && code != CodeOverloaded
}
