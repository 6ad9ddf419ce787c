package store

import (
	"context"
	"sync"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
)

const (
	// pollEvery is how often bills that other replicas have written are looked for.
	pollEvery   = 50 * time.Millisecond
	pollTimeout = time.Second
)

// billWaiters wakes requests that wait for an order's bill: at once when this process has written it, and at the next
// poll when another replica has. All waiters share one query per poll.
type billWaiters struct {
	db      *gorm.DB
	mu      sync.Mutex
	waiting map[string][]chan struct{} // by order; closed when its bill exists
	polling bool
}

// add returns a channel that is closed when the order has a bill, and a function that ends the waiting.
func (a *billWaiters) add(orderID string) (there <-chan struct{}, done func()) {
	c := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[string][]chan struct{}{}
	}
	a.waiting[orderID] = append(a.waiting[orderID], c)
	if !a.polling {
		a.polling = true
		go a.poll()
	}
	return c, func() { a.drop(orderID, c) }
}

func (a *billWaiters) drop(orderID string, c chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.waiting[orderID]
	for i, other := range all {
		if other == c {
			all = append(all[:i:i], all[i+1:]...)
		}
	}
	if a.waiting[orderID] = all; len(all) == 0 {
		delete(a.waiting, orderID)
	}
}

// wake tells waiters that orders have bills now.
func (a *billWaiters) wake(orderIDs ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range orderIDs {
		for _, c := range a.waiting[id] {
			close(c)
		}
		delete(a.waiting, id)
	}
}

// poll queries for bills until nobody waits any more. If a query fails, the waiters' own time-outs end the wait.
func (a *billWaiters) poll() {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for range tick.C {
		a.mu.Lock()
		orderIDs := make([]string, 0, len(a.waiting))
		for id := range a.waiting {
			orderIDs = append(orderIDs, id)
		}
		if len(orderIDs) == 0 {
			a.polling = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), pollTimeout)
		var found []string
		err := a.db.WithContext(ctx).Raw("SELECT order_id FROM bills WHERE order_id = ANY(?::bigint[])",
			postgres.Array(orderIDs)).Scan(&found).Error
		cancel()
		if err == nil {
			a.wake(found...)
		}
	}
}
