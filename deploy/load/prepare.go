package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/audit"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/deploy/internal/settings"
)

const (
	seller = "seller@mall.local" // of the demo data
	// tokenFor is how long a token is used; it is good for 15 minutes.
	tokenFor = 10 * time.Minute
	// followed is how long services take to notice a changed setting.
	followed = 4500 * time.Millisecond
)

// limits guard a real mall against one address or shopper; here everybody comes from the same address, and few shoppers
// do what many would.
var limits = map[string]string{"gateway.rate.anonymous": "100000/100000", "gateway.rate.user": "100000/100000",
	"gateway.rate.signin":  "10000/10000",
	"gateway.rate.account": "1000/1000", "gateway.rate.place": "1000/1000", "gateway.rate.declined": "1000/1000",
	"gateway.rate.declined_address": "1000/1000", "gateway.max_in_flight": "4096",
	"checkout.max_open_orders": "0", "checkout.max_held_units": "0"}

// load is a load test on its mall.
type load struct {
	visitor  *apiclient.Client
	seconds  time.Duration
	rate     int // requests a second; 0: no limit
	pids     string
	drain    *audit.Drain
	shoppers []*shopper
	signedIn time.Time
	onSale   []apiclient.Product // what is read and listed
	words    []string            // what is searched for
	stock    []apiclient.Product // what is bought: more of each than anybody can buy
	keeper   *apiclient.Client   // who sells that
}

// raise widens the gateway's limits and returns a function that restores them.
func raise(ctx context.Context, m running.Mall) (restore func() error, err error) {
	c := redis.Open(m.Redis.Addr, m.Redis.Password)
	defer c.Close() //nolint:errcheck // every command has been answered
	old := map[string]string{}
	for key := range limits {
		v, err := c.Get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return nil, err
		}
		old[key] = v
	}
	restore = func() error {
		ctx := context.WithoutCancel(ctx)
		c := redis.Open(m.Redis.Addr, m.Redis.Password)
		defer c.Close() //nolint:errcheck // every command has been answered
		var problems error
		for key, value := range old {
			value = cmp.Or(value, settings.Unset) // an absent key would change nothing
			problems = errors.Join(problems, c.Set(ctx, key, value, 0).Err())
		}
		return problems
	}
	for key, value := range limits {
		if err := c.Set(ctx, key, value, 0).Err(); err != nil {
			return restore, err
		}
	}
	return restore, wait(ctx, followed)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// prepare brings people and products in.
func (l *load) prepare(ctx context.Context, shoppers int) error {
	var page struct{ Items []apiclient.Product }
	if err := l.visitor.Want(ctx, http.StatusOK, http.MethodGet, "/v1/products?page_size=100", nil, &page); err != nil {
		return err
	}
	var err error
	if l.keeper, err = l.visitor.SignIn(ctx, seller); err != nil {
		return fmt.Errorf("%w\n(the load test needs the demo data: go run ./deploy/mall seed)", err)
	}
	for i := range 20 {
		p, err := l.keeper.NewProduct(ctx, fmt.Sprintf("Load test product %d", i+1), "load-test", 1000+int64(i),
			1_000_000_000)
		if err != nil {
			return err
		}
		l.stock = append(l.stock, p)
	}
	for _, p := range page.Items {
		if p.Category == "load-test" { // of a run that was killed
			continue
		}
		l.onSale = append(l.onSale, p)
		l.words = append(l.words, words(p.Name)...)
	}
	if len(l.onSale) == 0 {
		l.onSale, l.words = l.stock, []string{"load", "product"}
	}
	l.shoppers = make([]*shopper, shoppers)
	for i := range l.shoppers {
		l.shoppers[i] = &shopper{random: rand.New(rand.NewPCG(uint64(i), 1))} // the same choices on every run
	}
	return l.signIn(ctx)
}

// words splits a name: a Chinese run becomes its first two characters, as a shopper would type it.
func words(name string) []string {
	var out []string
	for _, w := range strings.Fields(name) {
		if r := []rune(w); r[0] > 0x2e80 && len(r) >= 2 {
			out = append(out, string(r[:2]))
		} else if len(r) >= 4 && r[0] < 0x80 {
			out = append(out, w)
		}
	}
	return out
}

// signIn gives every shopper a fresh token, and an address the first time. Accounts stay for the next run: hashing a
// password is slow on purpose.
func (l *load) signIn(ctx context.Context) error {
	if time.Since(l.signedIn) < tokenFor {
		return nil
	}
	err := l.each(ctx, 4, func(ctx context.Context, i int, s *shopper) (err error) {
		email := fmt.Sprintf("load-%d@mall.local", i+1)
		if s.c, err = l.visitor.SignIn(ctx, email); err != nil {
			if s.c, err = l.visitor.SignUp(ctx, email); err != nil {
				return err
			}
		}
		if s.address != "" {
			return nil
		}
		var page struct{ Items []struct{ ID string } }
		if err := s.c.Want(ctx, http.StatusOK, http.MethodGet, "/v1/addresses", nil, &page); err != nil {
			return err
		}
		if len(page.Items) > 0 {
			s.address = page.Items[0].ID
			return nil
		}
		s.address, err = s.c.Address(ctx, "Shanghai")
		return err
	})
	l.signedIn = time.Now()
	if err == nil {
		l.keeper, err = l.visitor.SignIn(ctx, seller)
	}
	return err
}

// each does something for every shopper, a few at a time.
func (l *load) each(ctx context.Context, atOnce int, do func(ctx context.Context, i int, s *shopper) error) error {
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	errs := make([]error, len(l.shoppers))
	for i, s := range l.shoppers {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = do(ctx, i, s)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ready makes what a cell needs before its clock starts: empty carts, enough unpaid orders, and quiet.
func (l *load) ready(ctx context.Context, sc scenario, n int) error {
	if err := l.signIn(ctx); err != nil {
		return err
	}
	if sc.name == "cart" || sc.name == "mix" {
		err := l.each(ctx, 8, func(ctx context.Context, _ int, s *shopper) error {
			return s.c.Want(ctx, http.StatusNoContent, http.MethodDelete, "/v1/cart", nil, nil)
		})
		if err != nil {
			return err
		}
	}
	want := sc.owes
	// as many as can be paid in the time: one shopper waits for each answer, a crowd is as fast as the machine
	if sc.pays {
		want = int(l.seconds.Seconds()*payableRate(n))/n + 1
	}
	if want == 0 {
		return nil
	}
	if err := l.drain.Mark(ctx); err != nil {
		return err
	}
	err := l.each(ctx, 16, func(ctx context.Context, i int, s *shopper) error {
		for i < n && len(s.unpaid) < want {
			if err := l.order(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, _, err = l.drain.Wait(ctx, drainFor)
	return err
}

// order places one unpaid order. A mall that refuses because it is full is asked again: this is not measured.
func (l *load) order(ctx context.Context, s *shopper) error {
	for try := 1; ; try++ {
		a, err := s.buy(ctx, l, 1)
		switch {
		case err != nil:
			return fmt.Errorf("prepare an order: %w", err)
		case a.Status == http.StatusCreated:
			return nil
		case try == 10 || a.Status != http.StatusServiceUnavailable && a.Status != http.StatusTooManyRequests:
			return fmt.Errorf("prepare an order: %s", a)
		}
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

func payableRate(shoppers int) float64 {
	if shoppers < 4 {
		return 150 * float64(shoppers)
	}
	return 700
}

// tidy removes the products and cancels the unpaid orders.
func (l *load) tidy(ctx context.Context) (cancelled int, err error) {
	var mu sync.Mutex
	err = l.each(ctx, 16, func(ctx context.Context, _ int, s *shopper) error {
		for order, ok := s.take(); ok; order, ok = s.take() {
			if _, err := s.c.Do(ctx, http.MethodPost, "/v1/orders/"+order+"/cancel", nil); err != nil {
				return err
			}
			mu.Lock()
			cancelled++
			mu.Unlock()
		}
		return nil
	})
	for _, p := range l.stock {
		err = errors.Join(err, l.keeper.Want(ctx, http.StatusNoContent, http.MethodDelete, "/v1/products/"+p.ID, nil, nil))
	}
	return cancelled, err
}
