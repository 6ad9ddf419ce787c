package inventory

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// pendingMost bounds the memory of a long outage; a dropped product is corrected by its next change, or by the
	// Reconciler.
	pendingMost = 10_000
	applyBatch  = 200
	// ApplyRetry is the pause after a failure.
	ApplyRetry = time.Second
)

// GateSync sends committed stock to the gate, soon and in batches, and retries failures. The Reconciler alone would be
// too slow: it visits products without open holds only now and then, and until then a product whose release was not
// applied shows too little stock. After a crash, the next start applies all products.
type GateSync struct {
	gate Gate
	wake chan struct{}

	mu      sync.Mutex
	pending map[string]Apply
}

// NewGateSync makes a GateSync. A worker calls Apply when Wake receives, and again ApplyRetry after a failure.
func NewGateSync(gate Gate) *GateSync {
	return &GateSync{gate: gate, wake: make(chan struct{}, 1), pending: map[string]Apply{}}
}

// Changed queues committed changes for Apply and returns at once.
func (a *GateSync) Changed(items []Apply) {
	a.mu.Lock()
	for _, it := range items {
		was, waiting := a.pending[it.Stock.ProductID]
		if !waiting && len(a.pending) >= pendingMost {
			continue
		}
		if was.Stock.Version > it.Stock.Version {
			// A newer base contains the older change too.
			it.Stock = was.Stock
		}
		it.Recorded = append(was.Recorded, it.Recorded...)
		a.pending[it.Stock.ProductID] = it
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Wake receives when there is something to apply.
func (a *GateSync) Wake() <-chan struct{} { return a.wake }

// Apply applies what is pending, in batches. What the gate refused stays pending.
func (a *GateSync) Apply(ctx context.Context) error {
	for batch := a.take(); len(batch) > 0; batch = a.take() {
		if err := a.gate.Apply(ctx, batch); err != nil {
			a.Changed(batch)
			return fmt.Errorf("apply the stock of %d products to the gate: %w", len(batch), err)
		}
	}
	return nil
}

func (a *GateSync) take() []Apply {
	a.mu.Lock()
	defer a.mu.Unlock()
	var batch []Apply
	for id, it := range a.pending {
		batch = append(batch, it)
		delete(a.pending, id)
		if len(batch) == applyBatch {
			break
		}
	}
	return batch
}
