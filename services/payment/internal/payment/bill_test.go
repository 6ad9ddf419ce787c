package payment

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
)

// ledger is a Store with at most one bill.
type ledger struct {
	Store
	bill *Bill
}

func (l *ledger) OpenBills(_ context.Context, b ...Bill) error { l.bill = &b[0]; return nil }

// order answers as the order service does.
type order struct{ bill *Bill }

func (o order) Payable(context.Context, string) (*Bill, error) { return o.bill, nil }

// If an order's event has not arrived, the bill is opened from the order, unless the order has ended meanwhile:
// otherwise a shopper would be charged for what must be refunded.
func TestABillIsOpenedOnlyForAnOrderThatAwaitsPayment(t *testing.T) {
	bill := func(user string, status BillStatus, due time.Time) *Bill {
		return &Bill{OrderID: "1", UserID: user, Amount: 5, Currency: "CNY", DueAt: due, Status: status}
	}
	soon := noon.Add(time.Minute)
	for what, c := range map[string]struct {
		ofOrder *Bill
		code    string
	}{
		"awaits payment":          {bill("7", Open, soon), ""},
		"was cancelled":           {bill("7", Closed, soon), "order_not_payable"},
		"is due":                  {bill("7", Open, noon), "order_not_payable"},
		"was paid":                {bill("7", Paid, soon), "already_paid"},
		"belongs to another user": {bill("8", Open, soon), "not_found"},
		"does not exist":          {nil, "not_found"},
	} {
		store := &ledger{}
		s := NewService(store, order{c.ofOrder}, nil, nil, nil, slog.New(slog.DiscardHandler))
		s.now = func() time.Time { return noon }
		err := s.OpenBill(t.Context(), "7", "1")
		if problem.CodeOf(err) != c.code || (store.bill != nil) != (c.code == "") {
			t.Errorf("an order that %s: %v, stored %+v; want code %q", what, err, store.bill, c.code)
		}
	}
}
