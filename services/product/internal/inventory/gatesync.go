package inventory

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// maxPending bounds the memory during a long outage of Redis. A product that is dropped is corrected by its next
	// change or by the Reconciler.
	maxPending = 10_000
	applyBatch = 200 // products per call of the gate
	// ApplyRetry is the pause after a failure.
	ApplyRetry = time.Second
)

// GateSync sends committed stock to the gate, soon and in batches, and retries failures. The Reconciler alone would be
// too slow: it visits products without open holds only now and then, and until then the gate refuses buyers for stock
// that was released. What a crash loses here, the next start applies (WatchRedis).
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

// Enqueue queues committed stock for Apply and returns at once.
func (g *GateSync) Enqueue(items []Apply) {
	g.mu.Lock()
	for _, it := range items {
		queued, found := g.pending[it.Stock.ProductID]
		if !found && len(g.pending) >= maxPending {
			continue
		}
		if queued.Stock.Version > it.Stock.Version {
			// A newer base contains the older change too.
			it.Stock = queued.Stock
		}
		it.Recorded = append(queued.Recorded, it.Recorded...)
		g.pending[it.Stock.ProductID] = it
	}
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Wake receives when there is something to apply.
func (g *GateSync) Wake() <-chan struct{} { return g.wake }

// Apply applies what is pending, in batches. A batch that fails is queued again.
func (g *GateSync) Apply(ctx context.Context) error {
	for batch := g.takeBatch(); len(batch) > 0; batch = g.takeBatch() {
		if err := g.gate.Apply(ctx, batch); err != nil {
			g.Enqueue(batch)
			return fmt.Errorf("apply the stock of %d products to the gate: %w", len(batch), err)
		}
	}
	return nil
}

func (g *GateSync) takeBatch() []Apply {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []Apply
	for id, it := range g.pending {
		batch = append(batch, it)
		delete(g.pending, id)
		if len(batch) == applyBatch {
			break
		}
	}
	return batch
}
