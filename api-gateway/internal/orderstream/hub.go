// Package orderstream tells open streams what happens to their orders. One poller per process asks order what has
// changed in all orders, while at least one stream is open, so that a stream costs order one call, at its start (ADR
// 45).
package orderstream

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/problem"
)

const (
	pollEvery = 250 * time.Millisecond
	// pollWithin bounds one poll: the next one asks for the same again.
	pollWithin = 5 * time.Second
	// checkEvery is how often the access of every stream is checked.
	checkEvery = time.Second
	// mostOfUser bounds the streams of one user: a few open pages. A browser allows six connections to a host.
	mostOfUser = 10
	// waitingChanges is how many changes wait for a slow client. An order has at most four.
	waitingChanges = 8
)

// Source is where changes come from: order.
type Source struct {
	// History returns the states of an own order of the user in ctx.
	History func(ctx context.Context, orderID string) (orderv1.History, error)
	Changes func(ctx context.Context, after string) (orderv1.Changes, error)
}

// Hub has all open streams of this process.
type Hub struct {
	source Source
	most   func() int64 // streams at a time
	log    *slog.Logger

	mu      sync.Mutex
	streams map[string]map[*Stream]struct{} // by order
	ofUser  map[string]int
	open    int64
	after   uint64 // what the next poll asks for; 0: not known yet
	polling bool
	ended   bool
}

// New makes a hub without streams.
func New(source Source, most func() int64, log *slog.Logger) *Hub {
	return &Hub{source: source, most: most, log: log, streams: map[string]map[*Stream]struct{}{},
		ofUser: map[string]int{}}
}

// Open opens a stream of a user's own order; the user is in ctx. access reports whether the user may still see it: it
// is asked every second, and the stream ends when it returns an error. last is the id of the last entry that the client
// has, "" for none. The caller closes the stream.
func (h *Hub) Open(ctx context.Context, userID, orderID, last string,
	access func(context.Context) error) (*Stream, error) {
	s := &Stream{hub: h, user: userID, order: orderID, access: access, changes: make(chan Entry, waitingChanges),
		done: make(chan struct{})}
	if err := h.add(s); err != nil {
		return nil, err
	}
	// The stream is known to the poller before its history is read: a change is in the history, or is polled later.
	history, err := h.source.History(ctx, orderID)
	if err == nil {
		err = h.pollFrom(history.Next)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	s.begin(history, last)
	return s, nil
}

func (h *Hub) add(s *Stream) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended { // it is told what there is, and asks the next process for more
		s.finish()
		return nil
	}
	if h.ofUser[s.user] >= mostOfUser {
		return problem.New(problem.TooManyRequests, "too_many_requests",
			"You have %d open streams; close one.", mostOfUser).After(5 * time.Second)
	}
	if h.open >= h.most() {
		return problem.NewUnavailable(errors.New("too many streams"), 5*time.Second, "The mall is full right now.")
	}
	if h.streams[s.order] == nil {
		h.streams[s.order] = map[*Stream]struct{}{}
	}
	h.streams[s.order][s] = struct{}{}
	h.ofUser[s.user]++
	h.open++
	if !h.polling {
		h.polling, h.after = true, 0
		go h.poll()
	}
	return nil
}

func (h *Hub) remove(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.streams[s.order][s]; !known {
		return
	}
	delete(h.streams[s.order], s)
	if len(h.streams[s.order]) == 0 {
		delete(h.streams, s.order)
	}
	if h.ofUser[s.user]--; h.ofUser[s.user] == 0 {
		delete(h.ofUser, s.user)
	}
	h.open--
}

// pollFrom makes the next poll begin at a cursor, unless it begins earlier.
func (h *Hub) pollFrom(cursor string) error {
	n, err := strconv.ParseUint(cursor, 10, 64)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.after == 0 || n < h.after {
		h.after = n
	}
	return nil
}

// poll asks for changes until no stream is left.
func (h *Hub) poll() {
	over := make(chan struct{})
	defer close(over)
	go h.checkAccess(over)
	failing := false
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for range tick.C {
		h.mu.Lock()
		after := h.after
		if h.open == 0 {
			h.polling = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		if after == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), pollWithin)
		changes, err := h.source.Changes(ctx, strconv.FormatUint(after, 10))
		cancel()
		if failing != (err != nil) {
			failing = err != nil
			h.log.Warn("changes of orders for streams", "failing", failing, "error", err)
		}
		if err == nil {
			h.deliver(after, changes)
		}
	}
}

// deliver hands changes to the streams of their orders.
func (h *Hub) deliver(after uint64, c orderv1.Changes) {
	next, err := strconv.ParseUint(c.Next, 10, 64)
	if c.Lost || err != nil { // every client reads the history of its order again
		h.log.Warn("streams end because changes were lost", "after", after, "next", c.Next)
		h.finishAll()
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.after == after { // else a stream that began meanwhile needs an earlier one
		h.after = next
	}
	for _, item := range c.Items {
		for s := range h.streams[item.OrderID] {
			s.add(Entry{item.Position, orderv1.Change{Status: item.Status, At: item.At, Reason: item.Reason}})
		}
	}
}

// checkAccess ends the streams whose user may not see them any more, until over is closed.
func (h *Hub) checkAccess(over <-chan struct{}) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		h.mu.Lock()
		all := h.list()
		h.mu.Unlock()
		for _, s := range all {
			if s.access(context.Background()) != nil {
				s.finish()
			}
		}
	}
}

func (h *Hub) list() []*Stream {
	all := make([]*Stream, 0, h.open)
	for _, of := range h.streams {
		for s := range of {
			all = append(all, s)
		}
	}
	return all
}

func (h *Hub) finishAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.after = 0
	for _, s := range h.list() {
		s.finish()
	}
}

// End ends all streams, because the process ends. Those that are opened from now on end when they have told the
// history.
func (h *Hub) End() {
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	h.finishAll()
}

// Streams returns how many streams are open.
func (h *Hub) Streams() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}
