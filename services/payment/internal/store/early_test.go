package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/store"
)

// A shopper who pays at once may be faster than the order's event: the request waits a moment for the bill, without
// asking order. The bill may be opened by this replica or by another.
func TestWaitingForABill(t *testing.T) {
	d := open(t)
	replica := store.New(d.db, outbox.New(d.db, "payment", nil, slog.Default()))
	for i, opening := range []payment.Store{d.store, replica} {
		order := fmt.Sprint(100 + i)
		there, done := d.AwaitBill(order)
		b := payment.Bill{OrderID: order, UserID: "7", Amount: 210, Currency: "CNY", DueAt: time.Now().Add(time.Minute),
			Version: 1}
		if err := opening.OpenBills(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 240*time.Millisecond) // shorter than the maximum wait
		if err := there(ctx); err != nil {
			t.Errorf("a request that waits for a bill opened by replica %d: %v", i, err)
		}
		cancel()
		done()
	}
	there, done := d.AwaitBill("102")
	defer done()
	if err := there(t.Context()); err != nil { // the wait ends, and order is asked
		t.Error(err)
	}
}

// Requests that wait share one look at the database, and need none if this replica receives the event soon.
func TestWaitingRequestsShareOneLook(t *testing.T) {
	d := open(t)
	watched := postgrestest.Watch(d.db)
	s := store.New(watched.DB, outbox.New(watched.DB, "payment", nil, slog.Default()))
	const n = 50
	bills, waiting := make([]payment.Bill, n), make([]<-chan struct{}, n)
	for i := range n {
		bills[i] = payment.Bill{OrderID: fmt.Sprint(100 + i), UserID: "7", Amount: 210, Currency: "CNY",
			DueAt: time.Now().Add(time.Minute)}
		waiting[i], _ = s.AwaitBill(bills[i].OrderID)
	}
	if err := d.store.OpenBills(t.Context(), bills...); err != nil { // as another replica does
		t.Fatal(err)
	}
	for _, there := range waiting {
		<-there
	}
	if looks := watched.Runs(); looks > 5 {
		t.Errorf("%d looks for %d bills that were opened together", looks, n)
	}
}

// A request that gives up is removed, and others that wait for the same order are not.
func TestGivingUpAWaitDoesNotAffectOthers(t *testing.T) {
	d := open(t)
	first, gaveUp := d.store.AwaitBill("100")
	second, done := d.store.AwaitBill("100")
	defer done()
	gaveUp()
	gaveUp()
	d.bill("100")
	<-second
	select {
	case <-first:
		t.Error("the request that gave up was notified")
	default:
	}
}
