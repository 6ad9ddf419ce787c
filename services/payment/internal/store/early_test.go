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

// Who pays at once is here before the event: it is waited for, a moment, and nobody is asked. Opened here or by another
// replica.
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
		ctx, cancel := context.WithTimeout(t.Context(), 240*time.Millisecond) // it must not need all its patience
		if err := there(ctx); err != nil {
			t.Errorf("replica %d has opened a bill, and who waits for it: %v", i, err)
		}
		cancel()
		done()
	}
	there, done := d.AwaitBill("102")
	defer done()
	if err := there(t.Context()); err != nil { // it ends, and order is asked
		t.Error(err)
	}
}

// Many who wait share what it costs: one look for all of them, and none at all where the event comes to this replica
// soon.
func TestThoseWhoWaitLookTogether(t *testing.T) {
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
	if err := d.store.OpenBills(t.Context(), bills...); err != nil { // another replica
		t.Fatal(err)
	}
	for _, there := range waiting {
		<-there
	}
	if looks := watched.Runs(); looks > 5 {
		t.Errorf("%d looks for %d bills that came together", looks, n)
	}
}

// Who gives up is forgotten, and others for the same order are not.
func TestGivingUpAWait(t *testing.T) {
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
		t.Error("who gave up was woken")
	default:
	}
}
