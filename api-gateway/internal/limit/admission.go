package limit

import "sync/atomic"

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

// InFlight says how many requests are being served.
func (a *Admission) InFlight() int64 { return a.inFlight.Load() }
