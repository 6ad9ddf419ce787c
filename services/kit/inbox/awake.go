package inbox

import (
	"sync"
	"time"
)

// stoodStill is how long the loops of a process that runs never pause.
const stoodStill = 10 * time.Second

// awake knows since when this process has run without a break. A process that was stopped, or whose machine slept, has
// heard nothing meanwhile.
type awake struct {
	mu          sync.Mutex
	last, since time.Time
}

// note is called by the loop that never pauses for long.
func (a *awake) note(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.last) > stoodStill {
		a.since = now
	}
	a.last = now
}

// start is when the process began to run without a break.
func (a *awake) start() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.since
}
