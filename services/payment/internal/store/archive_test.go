package store_test

import (
	"fmt"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/stripe/stripetest"
)

// archived archives all finished bills and compares the number of live bills afterwards.
func (d fixture) archived(live int) {
	d.t.Helper()
	if err := d.store.Archive(d.t.Context(), 0); err != nil {
		d.t.Fatal(err)
	}
	var n int
	if err := d.db.Raw("SELECT count(*) FROM bills").Scan(&n).Error; err != nil || n != live {
		d.t.Fatalf("%d bills are live, want %d; %v", n, live, err)
	}
}

// Late events for an archived bill have their one effect: it cannot be paid again, its payment is refunded once, and a
// returned refund and a dispute are recorded.
func TestLateEventsOfAnArchivedBillHaveOneEffect(t *testing.T) {
	c := openStripe(t)
	ctx, b := t.Context(), c.bill("100")
	c.pay("1", b, stripetest.Good)
	open := c.bill("101")
	c.archived(1)

	if err := c.OpenBills(ctx, b); err != nil {
		t.Fatal(err)
	}
	if c.status("100") != payment.Paid {
		t.Errorf("placed again, the bill is %s", c.status("100"))
	}
	c.archived(1)
	again := card(stripetest.Good)
	if _, _, err := c.Start(ctx, "2", "7", "100", &again); problem.KindOf(err) != problem.Conflict {
		t.Errorf("paid again: %v, want a conflict", err)
	}
	c.archived(1)
	if err := c.CloseBill(ctx, b); err != nil || c.status("100") != payment.Paid {
		t.Errorf("cancelled: %v, the bill is %s", err, c.status("100"))
	}
	for _, live := range []int{1, 2} { // once a refund was requested, the bill is not finished
		c.archived(live)
		c.wantStatus("1", payment.Succeeded)
		if err := c.RequestRefund(ctx, "1", 210); err != nil {
			t.Fatal(err)
		}
	}
	c.settle()
	c.wantStatus("1", payment.Refunded)
	c.wantEvents(returned)
	c.sql(c.db, "UPDATE refunds SET look_at = 'infinity'") // as if a month had passed
	c.archived(1)
	if err := c.RequestRefund(ctx, "1", 210); err != nil {
		t.Fatal(err)
	}
	c.settle()
	c.wantEvents(returned)

	c.archived(1)
	c.stripe.SetRefunds("succeeded", "failed")
	c.notify("refund.failed", "re_1", nil, 2)
	c.settle()
	c.wantStatus("1", payment.Succeeded)
	c.archived(2) // the refund was returned, so this bill is not finished
	var at string
	if err := c.db.Raw("SELECT string_agg(order_id::text, ' ' ORDER BY order_id) FROM bills").Scan(&at).
		Error; err != nil || at != "100 "+open.OrderID {
		t.Errorf("live: %q, %v", at, err)
	}
}

// A dispute may be about an old, archived payment.
func TestADisputeOfAnArchivedPaymentIsRecorded(t *testing.T) {
	d := open(t)
	d.pay("1", d.bill("100"), "4242424242424242")
	d.archived(0)
	var charge string
	if err := d.db.Raw("SELECT provider_id FROM all_payments").Scan(&charge).Error; err != nil {
		t.Fatal(err)
	}
	fresh, err := d.store.KeepDispute(t.Context(), "sandbox",
		payment.Dispute{ID: "dp_1", ChargeID: charge, Currency: "CNY", Status: "needs_response", At: time.Now()})
	var of string
	if scan := d.db.Raw("SELECT payment_id FROM disputes").Scan(&of).Error; err != nil || scan != nil || !fresh ||
		of != "1" {
		t.Errorf("fresh %v, of payment %q, %v, %v", fresh, of, err, scan)
	}
}

// Bills with anything left to do are not archived, however old they are.
func TestUnfinishedBillsAreNotArchived(t *testing.T) {
	for name, c := range map[string]string{
		"an open bill":        "UPDATE bills SET status = 'open'",
		"an attempt":          "UPDATE payments SET status = 'processing'",
		"a refund to be made": "INSERT INTO refunds (payment_id, amount) VALUES (1, 210)",
		"a refund that is parked": "INSERT INTO refunds (payment_id, amount, status, look_at) VALUES (1, 210, 'failed', " +
			"'infinity')",
		"a refund that may return": "INSERT INTO refunds (payment_id, amount, status, done_at, look_at) VALUES (1, 210, " +
			"'succeeded', now(), now() + interval '1 day')",
	} {
		d := open(t)
		d.pay("1", d.bill("100"), "4242424242424242")
		d.sql(d.db, c)
		t.Run(name, func(*testing.T) { d.archived(1) })
		d.sql(d.db, "DELETE FROM refunds; UPDATE payments SET status = 'succeeded'; UPDATE bills SET status = 'paid'")
		t.Run(fmt.Sprint("not ", name), func(*testing.T) { d.archived(0) })
	}
}
