package store_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/stripe"
	"daprmall.dev/services/payment/internal/stripe/stripetest"
)

const returned = "[mall.payment.succeeded.v1 mall.payment.refunded.v1]"

// openRefunding returns a service with a payment that must be refunded.
func openRefunding(t *testing.T, begins string) stripeFixture {
	t.Helper()
	c := openStripe(t)
	c.pay("1", c.bill("100"), stripetest.Good)
	c.stripe.NextRefund(begins)
	if err := c.RequestRefund(t.Context(), "1", 210); err != nil {
		t.Fatal(err)
	}
	c.settle()
	return c
}

func (c stripeFixture) makeDue() {
	c.t.Helper()
	c.sql(c.db, "UPDATE refunds SET look_at = now() WHERE look_at < 'infinity'")
	c.settle()
}

func (c stripeFixture) health() payment.Health {
	c.t.Helper()
	h, err := c.Health(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return h
}

// Only refunds that Stripe reports as succeeded are done. Pending ones are checked, regularly or after a notice.
func TestAPendingRefundIsNotDone(t *testing.T) {
	for name, found := range map[string]func(c stripeFixture){
		"by asking":   func(c stripeFixture) { c.makeDue() },
		"by a notice": func(c stripeFixture) { c.notify("refund.updated", "re_1", nil, 2); c.settle() },
	} {
		for _, begins := range []string{"pending", "requires_action"} {
			c := openRefunding(t, begins)
			c.wantStatus("1", payment.Succeeded)
			c.makeDue()
			c.wantStatus("1", payment.Succeeded)
			c.wantEvents(succeeded)
			c.stripe.SetRefunds(begins, "succeeded")
			found(c)
			c.wantStatus("1", payment.Refunded)
			c.wantEvents(returned)
			if n := c.stripe.Refunds(); n["succeeded"] != 1 || len(n) != 1 {
				t.Errorf("%s, %s: refunds %v, want one", name, begins, n)
			}
		}
	}
}

// A refund that fails is visible, is tried again several times, and then waits for an operator. It never counts as
// done.
func TestAFailingRefundIsRetriedThenWaitsForAnOperator(t *testing.T) {
	for _, ends := range []string{"failed", "canceled"} {
		c := openRefunding(t, ends)
		for range 10 {
			c.makeDue()
			c.notify("refund.failed", "re_1", nil, 1) // this must not make the next try earlier
			c.settle()
		}
		c.wantStatus("1", payment.Succeeded)
		c.wantEvents(succeeded)
		if h := c.health(); h.Failed != 1 || h.Parked != 1 {
			t.Errorf("%s: %+v, want one failed and parked", ends, h)
		}
		if n := c.stripe.Refunds(); n[ends] != 5 {
			t.Errorf("%s: refunds %v, want five tries", ends, n)
		}
		c.stripe.NextRefund("succeeded")
		c.sql(c.db, "UPDATE refunds SET look_at = now()") // done by the operator
		c.settle()
		c.wantStatus("1", payment.Refunded)
		c.wantEvents(returned)
		if h := c.health(); h.Failed != 0 || h.Parked != 0 {
			t.Errorf("%s: in the end %+v", ends, h)
		}
	}
}

// A bank returns money weeks after a refund succeeded: the refund is open again, with or without a notice of Stripe,
// and its later success publishes nothing new.
func TestARefundThatFailsLaterIsMadeAgain(t *testing.T) {
	for name, found := range map[string]func(c stripeFixture){
		"by asking":   func(c stripeFixture) { c.makeDue() },
		"by a notice": func(c stripeFixture) { c.notify("charge.refund.updated", "re_1", nil, 1); c.settle() },
	} {
		c := openRefunding(t, "succeeded")
		c.wantStatus("1", payment.Refunded)
		c.makeDue() // still unchanged
		c.wantStatus("1", payment.Refunded)
		c.stripe.SetRefunds("succeeded", "failed")
		found(c)
		c.wantStatus("1", payment.Succeeded)
		if h := c.health(); h.Failed != 1 {
			t.Errorf("%s: %+v, want one failed", name, h)
		}
		c.makeDue()
		c.wantStatus("1", payment.Refunded)
		c.wantEvents(returned)
		if n := c.stripe.Refunds(); n["succeeded"] != 1 || n["failed"] != 1 {
			t.Errorf("%s: refunds %v, want one that failed and one that succeeded", name, n)
		}
	}
}

// An old refund is not checked any more.
func TestAnOldRefundIsNotChecked(t *testing.T) {
	c := openRefunding(t, "succeeded")
	c.sql(c.db, "UPDATE refunds SET done_at = now() - interval '31 days', look_at = now()")
	c.settle()
	asked := len(c.stripe.Asked())
	c.makeDue()
	if n := len(c.stripe.Asked()); n != asked {
		t.Errorf("asked %d more times", n-asked)
	}
	c.wantStatus("1", payment.Refunded)
}

// A dispute is stored once, in the state of its newest notice.
func TestADisputeHasTheStateOfItsNewestNotice(t *testing.T) {
	c := openStripe(t)
	c.pay("1", c.bill("100"), stripetest.Good)
	notify := func(kind, status string, at time.Time) {
		t.Helper()
		body, signature := c.stripe.Notice(kind, "dp_1", at,
			map[string]any{"payment_intent": "pi_1", "amount": 210, "currency": "cny", "reason": "fraudulent", "status": status})
		if err := c.OnNotice(t.Context(), "stripe", body, signature); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	notify("charge.dispute.created", "needs_response", now.Add(-3*time.Second))
	notify("charge.dispute.created", "needs_response", now.Add(-3*time.Second))
	if h := c.health(); h.Disputes != 1 {
		t.Errorf("%+v, want one dispute", h)
	}
	var paymentID string
	if err := c.db.Raw("SELECT payment_id FROM disputes").Scan(&paymentID).Error; err != nil || paymentID != "1" {
		t.Errorf("dispute of payment %q, %v; want 1", paymentID, err)
	}
	notify("charge.dispute.closed", "lost", now)
	notify("charge.dispute.updated", "under_review", now.Add(-2*time.Second)) // outdated
	notify("charge.dispute.updated", "under_review", now)                     // outdated within the second
	if h := c.health(); h.Disputes != 0 {
		t.Errorf("%+v, want it closed", h)
	}
	c.wantStatus("1", payment.Succeeded)
}

// Notices that are not for this mall, or about nothing it requested, change nothing.
func TestNoticesOfOthersChangeNothing(t *testing.T) {
	c := openStripe(t)
	c.pay("1", c.bill("100"), stripetest.Good)
	c.notify("payment_intent.succeeded", "pi_999", nil, 1)
	// made by hand, at Stripe
	c.notify("refund.updated", "re_1", map[string]any{"payment_intent": "pi_1", "status": "succeeded"}, 1)
	c.notify("refund.updated", "re_2", map[string]any{"payment_intent": nil}, 1)
	c.settle()
	c.wantStatus("1", payment.Succeeded)
	body, _ := c.stripe.Notice("payment_intent.succeeded", "pi_1", time.Now(), nil)
	if err := c.OnNotice(t.Context(), "stripe", body, "t=1,v1=00"); problem.CodeOf(err) != "bad_signature" {
		t.Errorf("a forged notice: %v, want bad_signature", err)
	}
	d := open(t) // without Stripe
	if err := d.OnNotice(t.Context(), "stripe", body, ""); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a notice without the provider: %v, want not found", err)
	}
}

// Money was captured for a payment that a restored database does not contain. Nothing checks it, so the notice is
// logged.
func TestMoneyOfAnUnknownPaymentIsLogged(t *testing.T) {
	c := openStripe(t)
	c.pay("1", c.bill("100"), stripetest.Good)
	c.sql(c.db, "DELETE FROM payments")
	var said bytes.Buffer
	provider := stripe.New(stripe.Config{APIKey: "sk_test_123", WebhookSecret: stripetest.Secret, URL: c.stripe.URL})
	service := payment.NewService(c.store, noOrders{}, nil, []payment.Provider{provider},
		func() string { return "stripe" },
		slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError})))
	for _, kind := range []string{"payment_intent.succeeded", "payment_intent.payment_failed",
		"payment_intent.succeeded of another shop"} {
		said.Reset()
		kind, foreign := strings.CutSuffix(kind, " of another shop")
		changed := map[string]any{}
		if foreign {
			changed["metadata"] = map[string]any{}
		}
		body, signature := c.stripe.Notice(kind, "pi_1", time.Now(), changed)
		if err := service.OnNotice(t.Context(), "stripe", body, signature); err != nil {
			t.Fatal(err)
		}
		if want := kind == "payment_intent.succeeded" && !foreign; strings.Contains(said.String(), "payment=1") != want {
			t.Errorf("%s, foreign %v: the log says %q", kind, foreign, said.String())
		}
	}
}

// The secret of a provider is missing: its attempts and refunds wait, operators see this, nothing panics, and other
// providers work.
func TestPaymentsOfAMissingProviderWait(t *testing.T) {
	c := openRefunding(t, "pending")
	c.bill("101")
	c.pay("2", payment.Bill{OrderID: "101", UserID: "7"}, stripetest.Challenges)
	gone := payment.NewService(c.store, noOrders{}, nil, nil, func() string { return "stripe" },
		slog.New(slog.DiscardHandler))
	c.sql(c.db, "UPDATE payments SET look_at = now()")
	c.sql(c.db, "UPDATE refunds SET look_at = now()")
	if err := gone.SettleDue(t.Context()); err != nil {
		t.Error(err)
	}
	if err := gone.RefundDue(t.Context()); err != nil {
		t.Error(err)
	}
	if h, err := gone.Health(t.Context()); err != nil || h.Waiting["stripe"] != 2 {
		t.Errorf("health %+v, %v; want two that wait for stripe", h, err)
	}
	if _, err := gone.Cancel(t.Context(), "7", "2"); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("cancel: %v, want unavailable", err)
	}
	if _, _, err := gone.Start(t.Context(), "3", "7", "101", nil); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("start: %v, want unavailable", err)
	}
	c.wantStatus("2", payment.RequiresAction)
	if h := c.health(); len(h.Waiting) != 0 {
		t.Errorf("with the provider: %+v, want none that wait", h)
	}
	c.stripe.SetRefunds("pending", "succeeded")
	c.settle()
	c.wantStatus("1", payment.Refunded)
}
