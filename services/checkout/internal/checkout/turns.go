package checkout

import (
	"context"
	"sync"
)

// maxRunning is how many checkouts of one shopper a process runs at the same time; more wait. Each holds stock until it
// is placed or refused: hundreds at once, of which few can be placed, would leave nothing for others meanwhile.
const maxRunning = 4

// turns gives each shopper's checkouts their turn.
type turns struct {
	mu      sync.Mutex
	running map[string]*turn
}

type turn struct {
	slots chan struct{}
	users int // that have a slot or wait for one
}

// take waits for the shopper's turn, unless ctx ends before. done gives it to the next one.
func (t *turns) take(ctx context.Context, userID string) (done func(), err error) {
	t.mu.Lock()
	mine, found := t.running[userID]
	if !found {
		if t.running == nil {
			t.running = map[string]*turn{}
		}
		mine = &turn{slots: make(chan struct{}, maxRunning)}
		t.running[userID] = mine
	}
	mine.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(t.running, userID)
		}
	}
	select {
	case mine.slots <- struct{}{}:
		return func() { <-mine.slots; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
