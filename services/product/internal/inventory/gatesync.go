package inventory

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// pendingMost bounds the memory of a long outage; a product that is dropped is
	// right again after its next change, or when the Reconciler comes to it.
	pendingMost = 10_000
	applyBatch  = 200
	applyPause  = time.Second
)

// GateSync applies to the gate what the ledger has committed, soon and in batches, and retries what failed. It cannot
// leave that to the Reconciler, which visits products without open holds only now and then: until then a product whose
// release was not applied looks emptier than it is. A crash may lose everything: the next start applies all products.
type GateSync struct {
	gate Gate
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex
	pending map[string]Apply
}

// NewGateSync makes a GateSync; Run applies.
func NewGateSync(gate Gate, log *slog.Logger) *GateSync {
	return &GateSync{gate: gate, log: log, wake: make(chan struct{}, 1), pending: map[string]Apply{}}
}

// Changed queues committed changes for Run and returns at once.
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

// Run applies what is pending until ctx ends.
func (a *GateSync) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		}
		for batch := a.take(); len(batch) > 0; batch = a.take() {
			err := a.gate.Apply(ctx, batch)
			if err == nil {
				continue
			}
			if ctx.Err() == nil {
				a.log.WarnContext(ctx, "stock not applied to the gate, trying again", "products", len(batch), "error", err)
			}
			a.Changed(batch)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(applyPause):
			}
		}
	}
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
