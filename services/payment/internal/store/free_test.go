package store_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
)

func freeBill(order string) payment.Bill {
	return payment.Bill{OrderID: order, UserID: "7", Currency: "CNY", DueAt: time.Now().Add(time.Minute), Version: 1}
}

// freePayment is the id of the payment of free order 100.
const freePayment = "4611686018427388004"

// A free order is paid when its bill opens, once, however often and by how many replicas its event is handled; other
// orders in the batch stay open. The provider is not asked.
func TestAFreeBillIsPaidOnceWithoutAProvider(t *testing.T) {
	d := open(t)
	d.line.failCreate, d.line.failConfirm = true, true
	costly := payment.Bill{OrderID: "101", UserID: "7", Amount: 210, Currency: "CNY", DueAt: time.Now(), Version: 1}
	var replicas sync.WaitGroup
	for range 4 {
		replicas.Go(func() {
			if err := d.OpenBills(t.Context(), costly, freeBill("100")); err != nil {
				t.Error(err)
			}
		})
	}
	replicas.Wait()
	d.later()
	d.wantBalance(freePayment, payment.Succeeded, 0, succeeded)
	if d.status("100") != payment.Paid || d.status("101") != payment.Open {
		t.Errorf("the free bill is %s, the other %s", d.status("100"), d.status("101"))
	}
	p, err := d.Show(t.Context(), "7", freePayment)
	if err != nil || p.Amount != 0 || p.Provider != payment.NoProvider || p.OrderID != "100" || !p.Hosted() {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := d.Cancel(t.Context(), "7", freePayment); problem.CodeOf(err) != "payment_not_cancellable" {
		t.Errorf("cancel: %v", err)
	}
}

// Bill, payment and event commit together, or none does.
func TestAFreeBillThatDoesNotCommitIsNotPaid(t *testing.T) {
	d := open(t)
	crash := errors.New("crash")
	err := postgres.InTx(t.Context(), d.db, func(ctx context.Context, _ *gorm.DB) error {
		if err := d.OpenBills(ctx, freeBill("100")); err != nil {
			t.Error(err)
		}
		return crash
	})
	if !errors.Is(err, crash) {
		t.Fatal(err)
	}
	var left int
	d.db.Raw("SELECT (SELECT count(*) FROM bills) + (SELECT count(*) FROM payments) + (SELECT count(*) FROM outbox)").
		Scan(&left)
	if left != 0 {
		t.Errorf("%d rows are left", left)
	}
}

// A database that was restored to a time before the order pays the same payment again, which order recognises.
func TestARestoredDatabasePaysAFreeBillAgainUnderTheSameID(t *testing.T) {
	d := open(t)
	for range 2 {
		if err := d.OpenBills(t.Context(), freeBill("100")); err != nil {
			t.Fatal(err)
		}
		d.wantBalance(freePayment, payment.Succeeded, 0, succeeded)
		d.sql(d.db, "TRUNCATE bills, payments, refunds, outbox CASCADE")
	}
}

// The order was cancelled before its payment arrived: its refund is done at once, and nothing moves at the provider.
func TestTheRefundOfAFreeOrderNeedsNoProvider(t *testing.T) {
	d := open(t)
	if err := d.OpenBills(t.Context(), freeBill("100")); err != nil {
		t.Fatal(err)
	}
	d.line.failRefund = true
	if err := d.RequestRefund(t.Context(), freePayment, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time is the check weeks later
		if err := d.RefundDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.sql(d.db, "UPDATE refunds SET look_at = now()")
	}
	d.wantBalance(freePayment, payment.Refunded, 0, "[mall.payment.succeeded.v1 mall.payment.refunded.v1]")
	if d.status("100") != payment.BillRefunded {
		t.Errorf("the bill is %s", d.status("100"))
	}
}

// A cancellation that comes before order.placed leaves nothing to pay.
func TestAFreeBillStaysClosed(t *testing.T) {
	d := open(t)
	if err := d.CloseBill(t.Context(), freeBill("100")); err != nil {
		t.Fatal(err)
	}
	if err := d.OpenBills(t.Context(), freeBill("100")); err != nil {
		t.Fatal(err)
	}
	d.later()
	var events int
	d.db.Raw("SELECT count(*) FROM outbox").Scan(&events)
	if d.status("100") != payment.Closed || events != 0 {
		t.Errorf("the bill is %s with %d events", d.status("100"), events)
	}
}

// Who pays a free order, with a card or without one, is told that it is paid; also before its event has arrived.
func TestPayingAFreeOrderSaysThatItIsPaid(t *testing.T) {
	d := open(t)
	due := freeBill("100")
	due.Status = payment.Open
	service := payment.NewService(d.store, &anOrder{due}, nil, []payment.Provider{d.line},
		func() string { return "sandbox" }, slog.New(slog.DiscardHandler))
	pay := func(user, order string) string {
		_, err := service.Pay(t.Context(), keyed.Request{User: user, Key: "k"}, payment.PayRequest{OrderID: order}, nil)
		return problem.CodeOf(err)
	}
	for range 2 {
		if code := pay("7", "100"); code != "already_paid" {
			t.Errorf("without a card: %q, want already_paid", code)
		}
	}
	d.wantBalance(freePayment, payment.Succeeded, 0, succeeded)
	d.bill("101")
	for _, c := range [][2]string{{"8", "100"}, {"7", "101"}, {"7", "102"}} {
		if code := pay(c[0], c[1]); code != "validation_failed" {
			t.Errorf("user %s, order %s: %q, want validation_failed", c[0], c[1], code)
		}
	}
	good := card("4242424242424242")
	if _, _, err := d.Start(t.Context(), "1", "7", "100", &good); problem.CodeOf(err) != "already_paid" {
		t.Errorf("with a card: %v, want already_paid", err)
	}
}
