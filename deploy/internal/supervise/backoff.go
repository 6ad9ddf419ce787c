package supervise

import "time"

const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
	// steady is how long a process must live for its next death to be a first one again.
	steady = 20 * time.Second
)

// Backoff says how long to wait before the next start: hardly, the first time, so that
// a crash costs nothing; longer each time, so that a broken program costs little.
type Backoff struct{ pause time.Duration }

// Next is the pause after a process that lived this long.
func (b *Backoff) Next(lived time.Duration) time.Duration {
	switch {
	case b.pause == 0 || lived >= steady:
		b.pause = firstPause
	default:
		b.pause = min(2*b.pause, lastPause)
	}
	return b.pause
}
