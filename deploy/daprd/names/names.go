// Package names remembers where apps live. Dapr's SQLite resolver asks its file at every
// invocation, which is a quarter of what a busy sidecar computes (docs/performance.md).
// The sidecar that this repository builds has this package in front of it; it knows
// nothing of Dapr, so that it is tested here.
package names

import (
	"sync"
	"time"
)

// Lifetime is how long an answer is believed. The registry itself believes a dead
// instance for 30 s (updateInterval), so this makes nothing noticeably later; and where an
// app runs more than once, its callers choose anew five times a second.
const Lifetime = 200 * time.Millisecond

// Memory holds the last answer for each app. The zero value is empty and ready; it is
// safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	known map[string]answer
}

type answer struct {
	address string
	until   time.Time
}

// Resolve returns the address of an app as of at most Lifetime ago, or asks for it.
// When an answer grows old one caller asks, and the others use it until that one is back.
// A failure is returned, and never remembered.
func (m *Memory) Resolve(app string, now time.Time, ask func() (string, error)) (string, error) {
	if address, ok := m.recall(app, now); ok {
		return address, nil
	}
	address, err := ask()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		delete(m.known, app)
		return "", err
	}
	if m.known == nil {
		m.known = map[string]answer{}
	}
	m.known[app] = answer{address, now.Add(Lifetime)}
	return address, nil
}

func (m *Memory) recall(app string, now time.Time) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, ok := m.known[app]
	if !ok {
		return "", false
	}
	if now.Before(last.until) {
		return last.address, true
	}
	m.known[app] = answer{last.address, now.Add(Lifetime)} // this caller asks, for all
	return "", false
}
