package inventory_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/worker"
	"daprmall.dev/services/product/internal/inventory"
	"daprmall.dev/services/product/internal/inventory/inventorytest"
)

func stock(version, onHand, reserved int64) inventory.Stock {
	return inventory.Stock{ProductID: "7", OnHand: onHand, Reserved: reserved, Version: version}
}

// Changes that wait at the same time are merged: the newest base and all recorded orders.
func TestGateSyncMergesWhatWaits(t *testing.T) {
	gate := inventorytest.NewGate()
	ctx := t.Context()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(gate.Apply(ctx, []inventory.Apply{{Stock: stock(1, 10, 0)}}))
	for _, order := range []string{"1", "2"} {
		_, err := gate.Hold(ctx, order, []inventory.Line{{ProductID: "7", Quantity: 3}}, time.Minute)
		must(err)
	}
	a := inventory.NewGateSync(gate)
	a.Enqueue([]inventory.Apply{{Stock: stock(3, 10, 6), Recorded: []string{"2"}}})
	a.Enqueue([]inventory.Apply{{Stock: stock(2, 10, 3), Recorded: []string{"1"}}})
	start(t, a)
	becomes(t, gate, 4)
}

// start runs the synchronisation until the test ends, as main does.
func start(t *testing.T, a *inventory.GateSync) {
	t.Helper()
	loop := worker.Loop{Log: slog.New(slog.DiscardHandler), Wake: a.Wake(), Retry: inventory.ApplyRetry, Work: a.Apply}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { loop.Run(ctx) })
	t.Cleanup(func() { stop(); run.Wait() })
}

// becomes waits until the gate has this base and no holds.
func becomes(t *testing.T, gate *inventorytest.Gate, want int64) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { //nolint:forbidigo // a poll with an end
		base, held, _ := gate.State("7")
		if base == want && held == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("base %d, held %d, want %d and 0", base, held, want)
		}
	}
}

// failsOnce is a gate whose first Apply fails.
type failsOnce struct {
	inventory.Gate
	asked int
}

func (g *failsOnce) Apply(ctx context.Context, items []inventory.Apply) error {
	if g.asked++; g.asked == 1 {
		return errors.New("the binding is unreachable")
	}
	return g.Gate.Apply(ctx, items)
}

// A cancelled order leaves no hold through which the product would be found again, so its apply must not be lost.
func TestGateSyncRetriesAFailedApply(t *testing.T) {
	gate := inventorytest.NewGate()
	if err := gate.Apply(t.Context(), []inventory.Apply{{Stock: stock(1, 10, 3)}}); err != nil {
		t.Fatal(err)
	}
	a := inventory.NewGateSync(&failsOnce{Gate: gate})
	start(t, a)
	a.Enqueue([]inventory.Apply{{Stock: stock(2, 10, 0)}})
	becomes(t, gate, 10)
}
