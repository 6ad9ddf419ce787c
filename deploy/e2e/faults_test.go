//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/services/contracts"
)

// victims are killed in turn, each after the one before is back: every service, then sidecars and servers.
func victims() (all []string) {
	for _, s := range contracts.Services {
		all = append(all, s.Name)
	}
	all = append(all, "order-daprd", "product-daprd", "payment-daprd", "checkout-daprd", "api-gateway-daprd",
		"product-redislua", "redis", "postgres")
	if carrier != broker.Redis {
		all = append(all, string(carrier))
	}
	if mtls {
		all = append(all, "sentry")
	}
	return all
}

// kill sends SIGKILL and waits until the process is back and the whole mall is ready.
func kill(t *testing.T, name string) {
	t.Helper()
	before := status(t)[name]
	mustMall(t, "kill", name)
	err := eventually(t.Context(), waitFor, func() error {
		if p := status(t)[name]; p.Restarts <= before.Restarts || p.State != "running" {
			return fmt.Errorf("%s is %s", name, p.State)
		}
		return ready(t)
	})
	if err != nil {
		t.Fatalf("after kill -9 %s: %v", name, err)
	}
}

// get sends a request to an app directly, not through its sidecar.
func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return visitor.HTTP.Do(req)
}

// ready checks that every app is ready.
func ready(t *testing.T) error {
	t.Helper()
	var missing []error
	for name, a := range mallUnderTest(t).Apps {
		if err := readyOne(t, a); err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(missing...)
}

func readyOne(t *testing.T, a appAccess) error {
	t.Helper()
	res, err := get(t, a.URL+"/readyz")
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answers %d", res.StatusCode)
	}
	return nil
}

// conclusive reports whether an answer is conclusive: not "try again", and not missing.
func conclusive(a apiclient.Answer, err error) bool {
	return err == nil && a.Status < 500 && a.Status != http.StatusTooManyRequests && a.Code() != "request_in_progress"
}

// untilAnswered repeats a request with the same key until there is a conclusive answer, as a real client must.
func untilAnswered(ctx context.Context, ask func(ctx context.Context) (apiclient.Answer, error)) (apiclient.Answer,
	error) {
	var a apiclient.Answer
	err := eventually(ctx, 90*time.Second, func() error {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		var err error
		if a, err = ask(try); conclusive(a, err) {
			return nil
		}
		return fmt.Errorf("no answer yet: %s, %w", a, errors.Join(err, errors.New("unknown")))
	})
	return a, err
}

// bought is an order as it was answered to its shopper.
type bought struct {
	order   apiclient.Order
	payment apiclient.Payment // as answered; without id: not paid, or refused
	refused string            // the code that refused the payment
}

// customer is a shopper in the crowd, with everything that was answered to them.
type customer struct {
	c       *apiclient.Client
	address string
	orders  []bought
	odd     []string      // answers that no client should get
	paid    *atomic.Int64 // successful payments of the whole crowd
}

// shop buys and pays until stop ends; the purchase in progress is finished.
func (s *customer) shop(ctx, stop context.Context, products []apiclient.Product) {
	for stop.Err() == nil && ctx.Err() == nil {
		if err := s.once(ctx, products); err != nil {
			s.odd = append(s.odd, err.Error())
			return
		}
	}
}

func (s *customer) once(ctx context.Context, products []apiclient.Product) error {
	var lines []apiclient.Line
	for _, i := range rand.Perm(len(products))[:1+rand.IntN(len(products))] {
		lines = append(lines, apiclient.Line{ProductID: products[i].ID, Quantity: 1 + rand.Int64N(2)})
	}
	key := apiclient.Key()
	a, err := untilAnswered(ctx, func(ctx context.Context) (apiclient.Answer,
		error) {
		return s.c.Buy(ctx, key, s.address, lines...)
	})
	if err != nil {
		return fmt.Errorf("checkout: %w", err)
	}
	switch {
	case a.Status == http.StatusCreated:
	case a.Code() == "sold_out", a.Code() == "checkout_expired", a.Code() == "held_by_your_order":
		return nil // refused: TestNothingIsLostWhenEveryProcessIsKilled checks that no such order exists
	default:
		return fmt.Errorf("checkout answered %s", a)
	}
	var b bought
	if err := a.Into(&b.order); err != nil {
		return err
	}
	defer func() { s.orders = append(s.orders, b) }()
	if rand.IntN(5) == 0 {
		return nil // the shopper does not pay, and the order times out
	}
	key = apiclient.Key()
	card := []string{apiclient.CardGood, apiclient.CardGood, apiclient.CardGood, apiclient.CardUnanswered,
		apiclient.CardDeclined}[rand.IntN(5)]
	a, err = untilAnswered(ctx, func(ctx context.Context) (apiclient.Answer,
		error) {
		return s.c.Pay(ctx, key, b.order.ID, card)
	})
	if err != nil {
		return fmt.Errorf("pay: %w", err)
	}
	if a.Status == http.StatusCreated {
		err := a.Into(&b.payment)
		if b.payment.Status == "succeeded" {
			s.paid.Add(1)
		}
		return err
	}
	b.refused = a.Code()
	if !slices.Contains([]string{"card_declined", "order_not_payable"}, b.refused) {
		return fmt.Errorf("payment answered %s", a)
	}
	return nil
}

// final waits until an order is in its final state and compares it with what was answered to the shopper.
func (b bought) final(t *testing.T, s *customer) apiclient.Order {
	t.Helper()
	var o apiclient.Order
	err := eventually(t.Context(), 90*time.Second, func() (err error) {
		if o, err = s.c.Order(t.Context(), b.order.ID); err == nil && o.Status == "awaiting_payment" {
			err = fmt.Errorf("order %s still awaits payment, due %s", o.ID, o.PaymentDueAt)
		}
		return err
	})
	if err != nil {
		t.Error(err)
		return o
	}
	if o.Total != b.order.Total || len(o.Lines) != len(b.order.Lines) {
		t.Errorf("order %s differs from the answer: %+v, was %+v", o.ID, o, b.order)
	}
	if b.payment.ID == "" {
		if o.Status != "cancelled" || o.CancelReason != "payment_timeout" {
			t.Errorf("order %s, not paid (%s), is %s %s, want cancelled with payment_timeout", o.ID, b.refused, o.Status,
				o.CancelReason)
		}
		return o
	}
	err = eventually(t.Context(), 90*time.Second, func() error {
		var p apiclient.Payment
		if err := s.c.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/payments/"+b.payment.ID, nil, &p); err != nil {
			return err
		}
		if o, err = s.c.Order(t.Context(), b.order.ID); err != nil {
			return err
		}
		agree := map[string]string{"paid": "succeeded", "refunded": "refunded", "cancelled": "cancelled"}
		if p.Status != agree[o.Status] && (o.Status != "cancelled" || p.Status != "failed") {
			return fmt.Errorf("order %s is %s and its payment %s", o.ID, o.Status, p.Status)
		}
		if b.payment.Status == "succeeded" && p.Status != "succeeded" && p.Status != "refunded" {
			return fmt.Errorf("payment %s was answered as succeeded and is %s", p.ID, p.Status)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return o
}

// Six shoppers buy and pay continuously while every process is killed in turn. Afterwards every answered order exists,
// no refused one does, every order is paid or timed out, the stock equals what was not paid for, and the audit finds no
// violation.
func TestNothingIsLostWhenEveryProcessIsKilled(t *testing.T) {
	const shoppers, stock = 6, 100_000
	products := []apiclient.Product{product(t, "Sturdy tea", 500, stock), product(t, "Sturdy cup", 300, stock),
		product(t, "Sturdy tray", 800, stock)}
	payWithin(t, 20*time.Second)
	var paid atomic.Int64
	crowd := make([]*customer, shoppers)
	for i := range crowd {
		m := newMember(t)
		addressID, err := m.Address(t.Context(), "Shanghai")
		if err != nil {
			t.Fatal(err)
		}
		crowd[i] = &customer{c: m.Client, address: addressID, paid: &paid}
	}
	stop, enough := context.WithTimeout(t.Context(), 150*time.Second)
	defer enough()
	var wg sync.WaitGroup
	for _, s := range crowd {
		wg.Go(func() { s.shop(t.Context(), stop, products) })
	}
	for _, name := range victims() {
		began := time.Now()
		kill(t, name)
		t.Logf("%s back after %s", name, time.Since(began).Round(10*time.Millisecond))
	}
	// However slow the machine is, shopping went on during the faults.
	err := eventually(t.Context(), waitFor, func() error {
		if n := paid.Load(); n < int64(len(victims())) {
			return fmt.Errorf("only %d orders paid", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	enough()
	wg.Wait()
	left := map[string]int64{}
	for _, p := range products {
		left[p.ID] = stock
	}
	outcomes := map[string]int{}
	for _, s := range crowd {
		for _, odd := range s.odd {
			t.Error(odd)
		}
		answered := map[string]bool{}
		for _, b := range s.orders {
			answered[b.order.ID] = true
			o := b.final(t, s)
			outcomes[o.Status]++
			for _, l := range o.Lines {
				if o.Status == "paid" {
					left[l.ProductID] -= l.Quantity
				}
			}
		}
		for _, id := range allOrders(t, s.c) {
			if !answered[id] {
				t.Errorf("order %s exists, but no checkout was answered with it", id)
			}
			delete(answered, id)
		}
		for id := range answered {
			t.Errorf("order %s was answered but does not exist", id)
		}
	}
	t.Logf("%d processes killed, orders %v", len(victims()), outcomes)
	for id, n := range left {
		waitAvailable(t, id, n)
	}
	auditPatiently(t)
}

// allOrders returns the ids of all orders of a shopper.
func allOrders(t *testing.T, c *apiclient.Client) (ids []string) {
	t.Helper()
	for next := ""; ; {
		var page struct {
			Items []apiclient.Order
			Next  string `json:"next_page_token"`
		}
		path := "/v1/orders?page_size=100"
		if next != "" {
			path += "&page_token=" + next
		}
		if err := c.Want(t.Context(), http.StatusOK, http.MethodGet, path, nil, &page); err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Items {
			ids = append(ids, o.ID)
		}
		if next = page.Next; next == "" {
			return ids
		}
	}
}

// auditPatiently runs the audit, and waits for lost events: the feed delivers them within a minute.
func auditPatiently(t *testing.T) {
	t.Helper()
	if out, err := mall(t.Context(), "audit", "--wait", "100s"); err != nil {
		t.Errorf("the audit found violations: %v\n%s", err, out)
	}
}
