package inventory

import (
	"context"
	"sync"
	"time"
)

const (
	// A buyer waits up to maxRebuilds × rebuildPause = 1 s for the replica that has the lock.
	maxRebuilds  = 40
	rebuildPause = 25 * time.Millisecond
	// rebuildLockTTL is longer than a rebuild takes, and shorter than a buyer waits: if the replica that has the lock
	// dies, another one rebuilds while buyers still wait.
	rebuildLockTTL = 500 * time.Millisecond
)

// rebuilds puts products that the gate has lost back into it. Of all requests that notice, one per product reads the
// database: within a process they share one call (a flight), and among replicas a lock in Redis admits one.
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

// rebuild rebuilds products, or waits while another caller does. It returns those that the ledger does not have.
func (r rebuilds) rebuild(ctx context.Context, ids []string) (unknown []string, err error) {
	flights := make([]*flight, len(ids))
	for i, id := range ids {
		flights[i] = r.startOrJoin(ctx, id)
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

func (r rebuilds) startOrJoin(ctx context.Context, id string) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.flights[id]; ok {
		return f
	}
	f := &flight{done: make(chan struct{})}
	r.flights[id] = f
	// Not cancelled with the request that began it: others wait for it too.
	ctx = context.WithoutCancel(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		f.unknown, f.err = r.rebuildOne(ctx, id)
		r.mu.Lock()
		delete(r.flights, id)
		r.mu.Unlock()
		close(f.done)
	}()
	return f
}

func (r rebuilds) rebuildOne(ctx context.Context, id string) (unknown bool, err error) {
	won, err := r.gate.Lock(ctx, "rebuild:"+id, rebuildLockTTL)
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
