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

// At the same time the shopper pays at Stripe and cancels here, the order is cancelled, Stripe sends notices, and two
// replicas check the payment. What Stripe captured has succeeded and is published once, everything else is cancelled;
// and all captured money is refunded once.
func TestConcurrentPaymentCancellationAndNotices(t *testing.T) {
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
	notify := func(kind, id string, changed map[string]any) func() error {
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
			t.Fatalf("charge: %+v, %v", o, err)
		}
		c.sql(c.db, "UPDATE payments SET look_at = now()")
		gaveUp := make(chan struct{}) // some shoppers cancel first
		racers := []func() error{
			func() error {
				if i%4 == 0 {
					<-gaveUp
				}
				c.stripe.EnterCard(o.NextAction.ClientSecret, stripetest.Good)
				return nil
			},
			func() error { _, err := c.RecordOutcome(t.Context(), id, o); return err },
			notify("payment_intent.succeeded", intent, nil), notify("payment_intent.succeeded", intent, nil),
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
		c.wantStatus(id, want)
		if want != payment.Succeeded {
			continue
		}
		if err := c.RequestRefund(t.Context(), id, 210); err != nil {
			t.Fatal(err)
		}
		refunded := notify("refund.updated", fmt.Sprintf("re_%d", captured), map[string]any{"payment_intent": intent})
		together(refunded, func() error { return c.RefundDue(t.Context()) },
			func() error { return replica.RefundDue(t.Context()) }, refunded,
			func() error { return replica.RefundDue(t.Context()) })
		c.makeDue()
		c.wantStatus(id, payment.Refunded)
	}
	t.Logf("%d of %d captured", captured, n)
	var published struct{ Succeeded, Refunded int }
	err := c.db.Raw(`SELECT count(*) FILTER (WHERE type LIKE '%succeeded%') AS succeeded, count(*) FILTER (WHERE type LIKE
		'%refunded%') AS refunded
		FROM outbox`).Scan(&published).Error
	if err != nil || published.Succeeded != captured || published.Refunded != captured {
		t.Errorf("published %+v, %v; want %d of each", published, err, captured)
	}
	if refunds := c.stripe.Refunds(); refunds["succeeded"] != captured || len(refunds) > 1 {
		t.Errorf("refunds %v, want %d", refunds, captured)
	}
	if captured == 0 || captured == n {
		t.Errorf("%d of %d were captured, so there was no race", captured, n)
	}
}
