package payment

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
)

// ledger is a Store that has at most one bill.
type ledger struct {
	Store
	bill *Bill
}

func (l *ledger) FindBill(context.Context, string) (*Bill, error) { return l.bill, nil }
func (l *ledger) OpenBills(_ context.Context, b ...Bill) error    { l.bill = &b[0]; return nil }

// order answers as the order service does.
type order struct{ bill *Bill }

func (o order) Payable(context.Context, string) (*Bill, error) { return o.bill, nil }

// The bill of an order whose event has not come is opened from the order, unless the order has ended meanwhile: nobody is charged
// for what is to be refunded.
func TestABillIsOpenedOnlyForAnOrderThatAwaitsPayment(t *testing.T) {
	bill := func(user string, status BillStatus, due time.Time) *Bill {
		return &Bill{OrderID: "1", UserID: user, Amount: 5, Currency: "CNY", DueAt: due, Status: status}
	}
	soon := noon.Add(time.Minute)
	for what, c := range map[string]struct {
		kept, ofOrder *Bill
		code          string
		opened        bool
	}{
		"awaits payment":       {nil, bill("7", Open, soon), "", true},
		"has its bill already": {bill("7", Open, soon), nil, "", true},
		"was cancelled":        {nil, bill("7", Closed, soon), "order_not_payable", false},
		"is due":               {nil, bill("7", Open, noon), "order_not_payable", false},
		"was paid":             {nil, bill("7", Paid, soon), "already_paid", false},
		"is somebody else's":   {nil, bill("8", Open, soon), "not_found", false},
		"is not there":         {nil, nil, "not_found", false},
	} {
		store := &ledger{bill: c.kept}
		s := NewService(store, order{c.ofOrder}, nil, nil, slog.New(slog.DiscardHandler))
		s.now = func() time.Time { return noon }
		b, err := s.BillOf(t.Context(), "7", "1")
		if problem.CodeOf(err) != c.code || (b != nil) != (c.code == "") || (store.bill != nil) != c.opened {
			t.Errorf("an order that %s: bill %+v, %v, kept %+v; want code %q and kept %v", what, b, err, store.bill, c.code, c.opened)
		}
	}
}
