package limit

import (
	"sync"
	"sync/atomic"
)

// Admission bounds the requests in flight. Beyond the bound a request is refused at once:
// a queue would only make everybody wait for answers that nobody is waiting for any more.
type Admission struct {
	max      func() int64
	inFlight atomic.Int64
}

// NewAdmission admits up to max requests at a time; max may change while running.
func NewAdmission(max func() int64) *Admission { return &Admission{max: max} }

// Enter admits a request, which calls leave when it is done, or refuses it.
func (a *Admission) Enter() (leave func(), ok bool) {
	if a.inFlight.Add(1) > a.max() {
		a.inFlight.Add(-1)
		return nil, false
	}
	return func() { a.inFlight.Add(-1) }, true
}

// Full says whether Enter would refuse now.
func (a *Admission) Full() bool { return a.inFlight.Load() >= a.max() }

// InFlight says how many requests are being served.
func (a *Admission) InFlight() int64 { return a.inFlight.Load() }

// Bodies bounds the bodies on their way in, each of which may take its time: all together as
// many as requests in flight, and a quarter of them from one client, so that no one who sends
// slowly keeps the others' out.
type Bodies struct {
	max func() int64
	mu  sync.Mutex
	all int64
	of  map[string]int64
}

// NewBodies admits up to max bodies at a time; max may change while running.
func NewBodies(max func() int64) *Bodies { return &Bodies{max: max, of: map[string]int64{}} }

// Enter admits a body of a client, which calls leave when it is in, or refuses it.
func (b *Bodies) Enter(client string) (leave func(), ok bool) {
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
