package store_test

import (
	"testing"
	"time"

	"daprmall.dev/services/payment/internal/payment"
)

// Who pays at once is here before the event: it is waited for, a moment, and nobody is asked.
func TestWaitingForABill(t *testing.T) {
	d := open(t)
	waited := make(chan error, 1)
	go func() { waited <- d.AwaitBill(t.Context(), "100") }()
	d.bill("100")
	if err := <-waited; err != nil || d.status("100") != payment.Open {
		t.Errorf("waited: %v, bill %q", err, d.status("100"))
	}
	began := time.Now()
	there, err := d.store.HasBill(t.Context(), "101")
	if err != nil || there {
		t.Errorf("a bill nobody opened: %v, %v", there, err)
	}
	if err := d.AwaitBill(t.Context(), "101"); err != nil { // it ends, and order is asked
		t.Error(err)
	}
	t.Logf("an event that does not come was waited for %s", time.Since(began))
}
