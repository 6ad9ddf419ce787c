package store_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
)

// The owner and admins see all payments of an order, newest first and page by page, also when they are archived. Only
// the owner sees what the shopper has to do. For others the order does not exist.
func TestTheOwnerAndAdminsSeeThePaymentsOfAnOrder(t *testing.T) {
	d := open(t)
	owner, admin := payment.Viewer{UserID: "7"}, payment.Viewer{UserID: "1", Admin: true}
	b := d.bill("100")
	d.pay("1", b, sandbox.Declines)
	d.pay("2", b, sandbox.NoFunds)
	d.pay("4", d.bill("101"), "4242424242424242")
	list := func(v payment.Viewer, before string, limit int) string {
		t.Helper()
		found, err := d.ListOfOrder(t.Context(), "100", v, before, limit)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, p := range found {
			text := p.ID + " " + string(p.Status)
			if p.NextAction != nil {
				text += " to do"
			}
			ids = append(ids, text)
		}
		return fmt.Sprint(ids)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	d.pay("3", b, sandbox.Challenges)
	want("the owner's first page", list(owner, "", 2), "[3 requires_action to do 2 failed]")
	want("the owner's second page", list(owner, "2", 2), "[1 failed]")
	want("an admin", list(admin, "", 20), "[3 requires_action 2 failed 1 failed]")
	if _, err := d.ListOfOrder(t.Context(), "100", payment.Viewer{UserID: "8"}, "", 20); problem.KindOf(err) !=
		problem.NotFound {
		t.Errorf("another shopper: %v, want not found", err)
	}
	if _, err := d.Cancel(t.Context(), "7", "3"); err != nil {
		t.Fatal(err)
	}
	d.pay("5", b, "4242424242424242")
	d.archived(0)
	want("archived", list(owner, "", 20), "[5 succeeded 3 cancelled 2 failed 1 failed]")
}

// Before the event of an order has opened its bill, it has no payments, but an owner.
func TestAnOrderWithoutABillHasNoPayments(t *testing.T) {
	d := open(t)
	early := payment.NewService(d.store, &anOrder{payment.Bill{OrderID: "100", UserID: "7", Amount: 210, Currency: "CNY",
		DueAt: time.Now().Add(time.Minute), Status: payment.Open}}, nil, nil, nil, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		order, user string
		want        problem.Kind
	}{{"100", "7", ""}, {"100", "8", problem.NotFound}, {"999", "7", problem.NotFound}} {
		found, err := early.ListOfOrder(t.Context(), c.order, payment.Viewer{UserID: c.user}, "", 20)
		if problem.KindOf(err) != c.want || len(found) > 0 {
			t.Errorf("order %s for user %s: %d payments, %v; want kind %q", c.order, c.user, len(found), err, c.want)
		}
	}
}
