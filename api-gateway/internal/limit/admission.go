package limit

import (
	"sync"
	"sync/atomic"
)

// Admission bounds the requests in flight. Beyond the bound a request is refused at once: a queue would only delay
// everybody until the clients have given up.
type Admission struct {
	max      func() int64
	inFlight atomic.Int64
}

// NewAdmission admits up to max requests at a time; max may change while running.
func NewAdmission(max func() int64) *Admission { return &Admission{max: max} }

// Enter admits a request, or refuses it (false). The caller calls leave when the request is done.
func (a *Admission) Enter() (leave func(), ok bool) {
	if a.inFlight.Add(1) > a.max() {
		a.inFlight.Add(-1)
		return nil, false
	}
	return func() { a.inFlight.Add(-1) }, true
}

// Full reports whether Enter would refuse now.
func (a *Admission) Full() bool { return a.inFlight.Load() >= a.max() }

// InFlight returns the number of requests being served.
func (a *Admission) InFlight() int64 { return a.inFlight.Load() }

// Shares bounds work that may take long (bodies being received, streams): max in all, and a quarter of it for one
// client, so that no client keeps the others out.
type Shares struct {
	max func() int64
	mu  sync.Mutex
	all int64
	of  map[string]int64
}

// NewShares admits up to max at a time; max may change while running.
func NewShares(max func() int64) *Shares { return &Shares{max: max, of: map[string]int64{}} }

// Enter admits one more body or stream of a client, or refuses it (false). The caller calls leave when it is over.
func (b *Shares) Enter(client string) (leave func(), ok bool) {
	most := b.max()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= most || b.of[client] >= max(1, most/4) {
		return nil, false
	}
	b.all++
	b.of[client]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all--
		if b.of[client]--; b.of[client] == 0 {
			delete(b.of, client)
		}
	}, true
}
