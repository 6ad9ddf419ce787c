//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/redis"
)

// buyAndPay makes one purchase, and repeats each request with the same key until it is answered.
func buyAndPay(ctx context.Context, s shopping) (orderID string, err error) {
	buy, pay := apiclient.Key(), apiclient.Key()
	a, err := untilAnswered(ctx, func(ctx context.Context) (apiclient.Answer, error) {
		return s.me.Buy(ctx, buy, s.address, apiclient.Line{ProductID: s.product, Quantity: 1})
	})
	var o apiclient.Order
	if err != nil || a.Status != http.StatusCreated || a.Into(&o) != nil {
		return "", fmt.Errorf("checkout: %s, %w", a, errors.Join(err, errors.New("want an order")))
	}
	a, err = untilAnswered(ctx, func(ctx context.Context) (apiclient.Answer, error) {
		return s.me.Pay(ctx, pay, o.ID, apiclient.CardGood)
	})
	if err != nil || a.Status != http.StatusCreated {
		return o.ID, fmt.Errorf("pay: %s, %w", a, errors.Join(err, errors.New("want a payment")))
	}
	return o.ID, nil
}

// reset breaks every connection to Redis or to one service's database, and returns how many there were.
type reset func(ctx context.Context) (int64, error)

func resets(t *testing.T) map[string]reset {
	t.Helper()
	at := mallUnderTest(t)
	all := map[string]reset{"redis": func(ctx context.Context) (int64, error) {
		c := redis.Open(at.Redis.Addr, at.Redis.Password)
		defer c.Close() //nolint:errcheck // the reply has been read
		return c.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Result()
	}}
	for service := range at.Databases {
		db := database(t, service)
		all[service] = func(ctx context.Context) (int64, error) { return terminate(ctx, db) }
	}
	return all
}

func terminate(ctx context.Context, db *sql.DB) (int64, error) {
	return number(ctx, db,
		"SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND "+
			"datname = current_database() AND pid <> pg_backend_pid()) x")
}

// All connections to Redis and to every database are broken repeatedly while shoppers buy: each purchase happens, and
// happens once.
func TestPurchasesSurviveBrokenConnections(t *testing.T) {
	const shoppers, rounds = 2, 4
	crowd := make([]shopping, shoppers)
	for i := range crowd {
		crowd[i] = newShopping(t)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var buying, breaking sync.WaitGroup
	var done atomic.Int64
	bought := make([]int, shoppers)
	for i, s := range crowd {
		buying.Go(func() {
			for done.Load() < rounds {
				if _, err := buyAndPay(t.Context(), s); err != nil {
					t.Error(err)
				}
				bought[i]++
			}
		})
	}
	for name, cut := range resets(t) {
		breaking.Go(func() {
			var broken int64
			// if they broke much more often, no request would succeed
			for tick := time.NewTicker(time.Second); ctx.Err() == nil; {
				n, _ := cut(ctx) // its own connection may be broken by another reset
				broken += n
				if name == "redis" {
					done.Add(1)
				}
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
			if broken == 0 {
				t.Errorf("no connection to %s was broken", name)
			}
		})
	}
	buying.Wait()
	stop()
	breaking.Wait()
	auditPatiently(t)
	t.Logf("purchases: %v", bought)
	for i, s := range crowd {
		if n := len(allOrders(t, s.me.Client)); n != bought[i]+1 {
			t.Errorf("%d orders, want %d and the first one", n, bought[i])
		}
	}
}

// Every app is stopped and started again, as for a new version, while shoppers look and buy. They get only answers or
// refusals with Retry-After, every purchase happens once, and no event is lost.
func TestARollingRestartLosesNothing(t *testing.T) {
	const shoppers = 3
	crowd := make([]shopping, shoppers)
	for i := range crowd {
		crowd[i] = newShopping(t)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	var gatewayRestarting atomic.Bool // the gateway itself is restarting: there is only one
	var answers, later, bought atomic.Int64
	check := func(a apiclient.Answer) {
		switch {
		case a.Status < 300:
			answers.Add(1)
		case a.Code() == "request_in_progress" || unavailable(a) == "":
			later.Add(1)
		default:
			t.Errorf("%s, want success or a refusal with Retry-After", a)
		}
	}
	for _, s := range crowd {
		seen := s.me.Seen
		s.me.Seen = func(req *http.Request, body []byte, a apiclient.Answer) {
			seen(req, body, a)
			check(a)
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				a, err := s.requests()["look"](t.Context())
				if err == nil {
					check(a)
					_, err = s.requests()["orders"](t.Context())
				}
				if err != nil && !gatewayRestarting.Load() {
					t.Errorf("no answer: %v", err)
				}
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := buyAndPay(t.Context(), s); err != nil {
					t.Error(err)
				}
				bought.Add(1)
			}
		})
	}
	for _, pair := range [][]string{{"user", "checkout"}, {"cart", "order"}, {"auth", "payment"}, {"product"},
		{"api-gateway"}} {
		before, had := status(t), bought.Load()
		gatewayRestarting.Store(slices.Contains(pair, "api-gateway"))
		for _, app := range pair {
			signal(t, syscall.SIGTERM, before[app].PID)
		}
		err := eventually(t.Context(), waitFor, func() error {
			now := status(t)
			for _, app := range pair {
				if p := now[app]; p.Restarts <= before[app].Restarts || p.State != "running" {
					return fmt.Errorf("%s is %s", app, p.State)
				}
				if err := readyOne(t, mallUnderTest(t).Apps[app]); err != nil {
					return err
				}
			}
			if bought.Load() == had {
				return errors.New("no purchase has succeeded since")
			}
			return nil
		})
		gatewayRestarting.Store(false)
		if err != nil {
			t.Errorf("restart of %v: %v", pair, err)
		}
	}
	stop()
	wg.Wait()
	t.Logf("%d answers, %d refusals with Retry-After, %d purchases", answers.Load(), later.Load(), bought.Load())
	auditPatiently(t)
}

// When a service's subscription has stalled, its sidecar is shut down (kit/inbox). The runner starts it again, and new
// events arrive.
func TestASidecarThatIsShutDownComesBack(t *testing.T) {
	s := newShopping(t)
	before := status(t)["cart-daprd"]
	cart := mallUnderTest(t).Apps["cart"]
	if a := raw(t, http.MethodPost, cart.sidecar("/v1.0/shutdown"), nil,
		map[string]string{"dapr-api-token": cart.DaprToken}); a.Status != http.StatusNoContent {
		t.Fatalf("shutdown: %s", a)
	}
	err := eventually(t.Context(), waitFor, func() error {
		if p := status(t)["cart-daprd"]; p.Restarts <= before.Restarts || p.State != "running" {
			return fmt.Errorf("the sidecar is %s", p.State)
		}
		return ready(t)
	})
	if err != nil {
		t.Fatal(err)
	}
	key := apiclient.Key()
	a, err := untilAnswered(t.Context(), func(ctx context.Context) (apiclient.Answer, error) {
		return s.me.Do(ctx, http.MethodPost, "/v1/checkout", map[string]any{"address_id": s.address}, "Idempotency-Key", key)
	})
	if err != nil || a.Status != http.StatusCreated {
		t.Fatalf("checkout from the cart: %s, %v", a, err)
	}
	err = eventually(t.Context(), waitFor, func() error {
		n, err := number(t.Context(), database(t, "cart"),
			"SELECT count(*) FROM inbox WHERE status = 'done' AND via = 'push' AND key = $1", orderIn(t, a))
		if err == nil && n == 0 {
			err = errors.New("the event of the order was not delivered")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// Sidecars that failed to reach it retry with growing pauses (gRPC's connection backoff).
	if a, err = untilAnswered(t.Context(), func(ctx context.Context) (apiclient.Answer, error) {
		return s.me.Do(ctx, http.MethodGet, "/v1/cart", nil)
	}); err != nil || a.Status != http.StatusOK {
		t.Errorf("cart: %s, %v", a, err)
	}
}

// orderIn returns the id of the order in an answer.
func orderIn(t *testing.T, a apiclient.Answer) string {
	t.Helper()
	var o apiclient.Order
	if err := a.Into(&o); err != nil {
		t.Fatal(err)
	}
	return o.ID
}
