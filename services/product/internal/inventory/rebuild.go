package inventory

import (
	"context"
	"sync"
	"time"
)

const (
	// maxRebuilds × rebuildPause is how long a buyer waits for the lock's owner.
	maxRebuilds  = 40
	rebuildPause = 25 * time.Millisecond
	// rebuildLock is longer than a rebuild takes and shorter than a buyer waits, so that a crashed owner is replaced while
	// buyers still wait.
	rebuildLock = 500 * time.Millisecond
)

// rebuilds restores products that the gate has lost. Of all the buyers who notice, one per product reads the database:
// within a process because they share one call (singleflight), among replicas because of a lock in Redis.
type rebuilds struct {
	store   Store
	gate    Gate
	metrics Metrics

	mu      *sync.Mutex
	flights map[string]*flight
}

type flight struct {
	done    chan struct{}
	unknown bool
	err     error
}

func newRebuilds(store Store, gate Gate, metrics Metrics) rebuilds {
	return rebuilds{store: store, gate: gate, metrics: metrics, mu: new(sync.Mutex), flights: map[string]*flight{}}
}

// of rebuilds products, or waits while another caller does. It returns those that the ledger does not know.
func (r rebuilds) of(ctx context.Context, ids []string) (unknown []string, err error) {
	flights := make([]*flight, len(ids))
	for i, id := range ids {
		flights[i] = r.join(ctx, id)
	}
	for i, f := range flights {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.done:
		}
		if f.err != nil {
			err = f.err
		}
		if f.unknown {
			unknown = append(unknown, ids[i])
		}
	}
	return unknown, err
}

func (r rebuilds) join(ctx context.Context, id string) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.flights[id]; ok {
		return f
	}
	f := &flight{done: make(chan struct{})}
	r.flights[id] = f
	// The call outlives a buyer who gives up: others wait for it too.
	ctx = context.WithoutCancel(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		f.unknown, f.err = r.one(ctx, id)
		r.mu.Lock()
		delete(r.flights, id)
		r.mu.Unlock()
		close(f.done)
	}()
	return f
}

func (r rebuilds) one(ctx context.Context, id string) (unknown bool, err error) {
	won, err := r.gate.Lock(ctx, "rebuild:"+id, rebuildLock)
	if err != nil {
		return false, err
	}
	if !won {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(rebuildPause):
			return false, nil
		}
	}
	stock, _, err := r.store.StockSnapshot(ctx, []string{id}, nil)
	if err != nil {
		return false, err
	}
	if len(stock) == 0 {
		return true, nil
	}
	return false, r.gate.Apply(ctx, []Apply{{Stock: stock[0]}})
}
