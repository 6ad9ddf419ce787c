package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"

	"daprmall.dev/deploy/internal/apiclient"
)

// shopper is one who buys, one thing after the other.
type shopper struct {
	c       *apiclient.Client
	address string
	random  *rand.Rand

	mu     sync.Mutex
	unpaid []string // orders made and not paid yet
}

func (s *shopper) keep(order string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unpaid = append(s.unpaid, order)
}

func (s *shopper) take() (order string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unpaid) == 0 {
		return "", false
	}
	order = s.unpaid[len(s.unpaid)-1]
	s.unpaid = s.unpaid[:len(s.unpaid)-1]
	return order, true
}

// oldest takes the order that was made first, if more than so many are unpaid.
func (s *shopper) oldest(than int) (order string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unpaid) <= than {
		return "", false
	}
	order, s.unpaid = s.unpaid[0], s.unpaid[1:]
	return order, true
}

// step is one request of a shopper and the status it should get.
type step func(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error)

// scenario is what all shoppers do again and again.
type scenario struct {
	name   string
	what   string
	step   step
	events bool // it leads to events, whose handling belongs to its cost
	pays   bool // it needs unpaid orders
	owes   int  // how many each shopper has made before and leaves unpaid
}

var scenarios = []scenario{
	{name: "hop", what: "GET /.well-known/jwks.json: a call with almost no work, as a baseline",
		step: hop},
	{name: "read", what: "GET /v1/products/{id}", step: read},
	{name: "list", what: "GET /v1/products by category, sorted", step: listing},
	{name: "search", what: "GET /v1/products?q=, Chinese and English", step: search},
	{name: "cart", what: "POST /v1/cart/items", step: addToCart},
	{name: "checkout-1", what: "POST /v1/checkout with 1 line", step: checkout(1), events: true},
	{name: "checkout-3", what: "POST /v1/checkout with 3 lines", step: checkout(3), events: true},
	{name: "payment", what: "POST /v1/payments of an order made before", step: pay, events: true, pays: true},
	{name: "purchase", what: "POST /v1/checkout with 1 line and, at once, POST /v1/payments of it", step: purchase,
		events: true},
	{name: "purchase-later", what: "the same, but the payment is for an earlier order, for comparison",
		step: purchaseLater, events: true, owes: laterBy},
	{name: "mix", what: "40% read, 20% list, 15% search, 12% cart, 8% checkout, 5% payment", step: mix, events: true},
}

func hop(ctx context.Context, _ *load, s *shopper) (apiclient.Answer, int, error) {
	a, err := s.c.Do(ctx, http.MethodGet, "/.well-known/jwks.json", nil)
	return a, http.StatusOK, err
}

func read(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
	a, err := s.c.Do(ctx, http.MethodGet, "/v1/products/"+l.onSale[s.random.IntN(len(l.onSale))].ID, nil)
	return a, http.StatusOK, err
}

func listing(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
	q := url.Values{"category": {l.onSale[s.random.IntN(len(l.onSale))].Category},
		"sort": {[]string{"price", "-price", "newest"}[s.random.IntN(3)]}}
	a, err := s.c.Do(ctx, http.MethodGet, "/v1/products?"+q.Encode(), nil)
	return a, http.StatusOK, err
}

func search(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
	a, err := s.c.Do(ctx, http.MethodGet, "/v1/products?q="+url.QueryEscape(l.words[s.random.IntN(len(l.words))]), nil)
	return a, http.StatusOK, err
}

func addToCart(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
	a, err := s.c.Do(ctx, http.MethodPost, "/v1/cart/items",
		map[string]any{"product_id": l.stock[s.random.IntN(len(l.stock))].ID, "quantity": 1})
	return a, http.StatusOK, err
}

func checkout(lines int) step {
	return func(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
		a, err := s.buy(ctx, l, lines)
		return a, http.StatusCreated, err
	}
}

// buy checks out different products and keeps the order for a payment.
func (s *shopper) buy(ctx context.Context, l *load, lines int) (apiclient.Answer, error) {
	items := make([]apiclient.Line, lines)
	first := s.random.IntN(len(l.stock))
	for i := range items {
		items[i] = apiclient.Line{ProductID: l.stock[(first+i*7)%len(l.stock)].ID, Quantity: 1}
	}
	a, err := s.c.Buy(ctx, apiclient.Key(), s.address, items...)
	if err == nil && a.Status == http.StatusCreated {
		var o struct{ ID string }
		if err := a.Into(&o); err != nil {
			return a, err
		}
		s.keep(o.ID)
	}
	return a, err
}

// errNothingLeft ends a shopper's work: the prepared orders are used up.
var errNothingLeft = errors.New("no unpaid order is left")

func pay(ctx context.Context, _ *load, s *shopper) (apiclient.Answer, int, error) {
	order, ok := s.take()
	if !ok {
		return apiclient.Answer{}, 0, errNothingLeft
	}
	a, err := s.c.Pay(ctx, apiclient.Key(), order, apiclient.CardGood)
	return a, http.StatusCreated, err
}

// purchase pays what it has just bought: payment has heard nothing of the order yet.
func purchase(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
	if a, err := s.buy(ctx, l, 1); err != nil || a.Status != http.StatusCreated {
		return a, http.StatusCreated, err
	}
	return pay(ctx, l, s)
}

// laterBy is how many orders a shopper of purchaseLater leaves unpaid: by then the events of the oldest have come.
const laterBy = 10

func purchaseLater(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
	a, err := s.buy(ctx, l, 1)
	if err != nil || a.Status != http.StatusCreated {
		return a, http.StatusCreated, err
	}
	order, ok := s.oldest(laterBy)
	if !ok {
		return apiclient.Answer{}, 0, errNothingLeft
	}
	a, err = s.c.Pay(ctx, apiclient.Key(), order, apiclient.CardGood)
	return a, http.StatusCreated, err
}

func mix(ctx context.Context, l *load, s *shopper) (apiclient.Answer, int, error) {
	switch n := s.random.IntN(100); {
	case n < 40:
		return read(ctx, l, s)
	case n < 60:
		return listing(ctx, l, s)
	case n < 75:
		return search(ctx, l, s)
	case n < 87:
		return addToCart(ctx, l, s)
	case n < 95:
		return checkout(1+s.random.IntN(3))(ctx, l, s)
	}
	a, want, err := pay(ctx, l, s)
	if errors.Is(err, errNothingLeft) {
		return checkout(1)(ctx, l, s)
	}
	return a, want, err
}
