package store_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/stripe"
	"daprmall.dev/services/payment/internal/stripe/stripetest"
)

// The shopper pays at Stripe and gives up here, the order is cancelled, Stripe tells, and two replicas look, all at
// once: what Stripe captured has succeeded here and is told once, what it has not captured is cancelled; and all of it
// goes back once.
func TestEverybodyAtOnce(t *testing.T) {
	c := openStripe(t)
	provider := stripe.New(stripe.Config{APIKey: "sk_test_123", URL: c.stripe.URL})
	replica := payment.NewService(c.store, noOrders{}, nil, []payment.Provider{provider},
		func() string { return "stripe" },
		slog.New(slog.DiscardHandler))
	const n = 40
	together := func(all ...func() error) {
		var wg sync.WaitGroup
		for _, do := range all {
			wg.Go(func() {
				if err := do(); err != nil && problem.KindOf(err) != problem.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	tell := func(kind, id string, changed map[string]any) func() error {
		return func() error {
			body, signature := c.stripe.Notice(kind, id, time.Now(), changed)
			return c.OnNotice(t.Context(), "stripe", body, signature)
		}
	}
	captured := 0
	for i := range n {
		order, id, intent := fmt.Sprint(100+i), fmt.Sprint(1+i), fmt.Sprintf("pi_%d", 1+i)
		b := c.bill(order)
		p, _, err := c.Start(t.Context(), id, "7", order, nil)
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Charge(t.Context(), p, nil)
		if err != nil || o.NextAction == nil {
			t.Fatalf("ask: %+v, %v", o, err)
		}
		c.sql(c.db, "UPDATE payments SET look_at = now()")
		gaveUp := make(chan struct{}) // some shoppers give up first
		racers := []func() error{
			func() error {
				if i%4 == 0 {
					<-gaveUp
				}
				c.stripe.EnterCard(o.NextAction.ClientSecret, stripetest.Good)
				return nil
			},
			func() error { _, err := c.RecordOutcome(t.Context(), id, o); return err },
			tell("payment_intent.succeeded", intent, nil), tell("payment_intent.succeeded", intent, nil),
			func() error { return c.SettleDue(t.Context()) }, func() error { return replica.SettleDue(t.Context()) },
		}
		if i%2 == 0 {
			racers = append(racers, func() error {
				defer close(gaveUp)
				_,
					err := replica.Cancel(t.Context(), "7", id)
				return err
			})
		}
		if i%3 == 0 {
			racers = append(racers, func() error { return c.CloseBill(t.Context(), b) })
		}
		together(racers...)
		c.sql(c.db, "UPDATE payments SET look_at = now()")
		together(func() error { return c.SettleDue(t.Context()) })
		want := payment.Cancelled
		if c.stripe.Captured(intent) > 0 {
			want = payment.Succeeded
			captured++
		}
		c.is(id, want)
		if want != payment.Succeeded {
			continue
		}
		if err := c.RequestRefund(t.Context(), id, 210); err != nil {
			t.Fatal(err)
		}
		refunded := tell("refund.updated", fmt.Sprintf("re_%d", captured), map[string]any{"payment_intent": intent})
		together(refunded, func() error { return c.RefundDue(t.Context()) },
			func() error { return replica.RefundDue(t.Context()) }, refunded,
			func() error { return replica.RefundDue(t.Context()) })
		c.due()
		c.is(id, payment.Refunded)
	}
	t.Logf("%d of %d captured", captured, n)
	var told struct{ Succeeded, Refunded int }
	err := c.db.Raw(`SELECT count(*) FILTER (WHERE type LIKE '%succeeded%') AS succeeded, count(*) FILTER (WHERE type LIKE
		'%refunded%') AS refunded
		FROM outbox`).Scan(&told).Error
	if err != nil || told.Succeeded != captured || told.Refunded != captured {
		t.Errorf("told %+v, %v; want %d of each", told, err, captured)
	}
	if refunds := c.stripe.Refunds(); refunds["succeeded"] != captured || len(refunds) > 1 {
		t.Errorf("refunds %v, want %d", refunds, captured)
	}
	if captured == 0 || captured == n {
		t.Errorf("%d of %d were captured: nobody was raced", captured, n)
	}
}
