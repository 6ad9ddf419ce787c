// Package turns bounds how much of an owner's work runs at the same time in a process. More of it waits, up to a bound.
package turns

import (
	"context"
	"errors"
	"sync"
)

// ErrFull means that as much of an owner's work waits as may.
var ErrFull = errors.New("too much of one owner waits")

// Turns gives each owner's work its turn. Owners do not wait for each other.
type Turns struct {
	most, waiting int

	mu      sync.Mutex
	running map[string]*turn
}

// New makes turns of which each owner has at most so many at the same time, while so many more wait.
func New(most, waiting int) *Turns {
	return &Turns{most: most, waiting: waiting, running: map[string]*turn{}}
}

type turn struct {
	slots chan struct{}
	users int // that have a slot or wait for one
}

// Take waits for a turn of the owner, unless ctx ends before. done gives it to the next one. The error is ErrFull if
// too many wait already.
func (t *Turns) Take(ctx context.Context, owner string) (done func(), err error) {
	t.mu.Lock()
	mine, found := t.running[owner]
	if !found {
		mine = &turn{slots: make(chan struct{}, t.most)}
		t.running[owner] = mine
	}
	if mine.users >= t.most+t.waiting {
		t.mu.Unlock()
		return nil, ErrFull
	}
	mine.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(t.running, owner)
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
