package product_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/product"
	"daprmall.dev/services/product/internal/product/producttest"
)

func stock(version, onHand, reserved int64) product.Stock {
	return product.Stock{ProductID: "7", OnHand: onHand, Reserved: reserved, Version: version}
}

// Changes that wait together become one: the newest base, all recorded orders.
func TestApplierMergesWhatWaits(t *testing.T) {
	gate := producttest.NewGate()
	ctx, stop := context.WithCancel(t.Context())
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(gate.Apply(ctx, []product.Apply{{Stock: stock(1, 10, 0)}}))
	for _, order := range []string{"1", "2"} {
		_, err := gate.Hold(ctx, order, []product.Line{{ProductID: "7", Quantity: 3}}, time.Minute)
		must(err)
	}
	a := product.NewApplier(gate, slog.New(slog.DiscardHandler))
	a.Changed([]product.Apply{{Stock: stock(3, 10, 6), Recorded: []string{"2"}}})
	a.Changed([]product.Apply{{Stock: stock(2, 10, 3), Recorded: []string{"1"}}})
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { //nolint:forbidigo // a poll with an end
		if base, held, _ := gate.State("7"); base == 4 && held == 0 {
			break
		}
		if time.Now().After(end) {
			base, held, _ := gate.State("7")
			t.Fatalf("base %d, held %d, want 4 and 0", base, held)
		}
	}
	stop()
	must(<-done)
}
