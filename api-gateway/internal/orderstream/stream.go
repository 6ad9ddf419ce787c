package orderstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"daprmall.dev/services/contracts/orderv1"
)

// refunded is the only status that no other one follows: a paid order may be cancelled, because its stock is missing,
// and money that arrives for a cancelled one is refunded.
const refunded = "refunded"

// Entry is an entry of an order's history, at its position.
type Entry struct {
	Position int
	orderv1.Change
}

// ID identifies the entry for a client that resumes. The time tells it from another entry at the same position, of a
// database that was restored.
func (e Entry) ID() string { return fmt.Sprintf("%d-%d", e.Position, e.At.UnixMicro()) }

// Stream is what a client is told about an order.
type Stream struct {
	hub         *Hub
	user, order string
	access      func(context.Context) error
	changes     chan Entry
	newest      int // position of the newest change that was added; guarded by hub.mu
	done        chan struct{}
	once        sync.Once

	backlog []Entry
	next    int  // the position that follows
	over    bool // nothing can follow
}

// begin keeps what a client needs that has the entries up to the id last. An id that is not in the history is as good
// as none: the client is told everything.
func (s *Stream) begin(history orderv1.History, last string) {
	entries := make([]Entry, len(history.Items))
	for i, c := range history.Items {
		entries[i] = Entry{i, c}
	}
	has := slices.IndexFunc(entries, func(e Entry) bool { return e.ID() == last })
	s.backlog, s.next = entries[has+1:], len(entries)
	s.over = len(entries) > 0 && entries[len(entries)-1].Status == refunded
}

// Backlog are the entries that the client does not have yet.
func (s *Stream) Backlog() []Entry { return s.backlog }

// Over reports whether no other entry can follow those that were returned.
func (s *Stream) Over() bool { return s.over }

// Next returns the next entry when it comes, or none when the timer fires. It returns false when the stream has to end.
func (s *Stream) Next(ctx context.Context, timer <-chan time.Time) (entries []Entry, ok bool) {
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case <-s.done:
			return nil, false
		case <-timer:
			return nil, true
		case e := <-s.changes:
			switch {
			case e.Position < s.next: // it was in the history
				continue
			case e.Position > s.next: // never seen; the client gets what is between from the history
				return nil, false
			}
			s.next++
			s.over = e.Status == refunded
			return []Entry{e}, true
		}
	}
}

// add adds a change; hub.mu is held. A client that is too slow begins anew.
func (s *Stream) add(e Entry) {
	if e.Position <= s.newest {
		return
	}
	s.newest = e.Position
	select {
	case s.changes <- e:
	default:
		s.finish()
	}
}

func (s *Stream) finish() { s.once.Do(func() { close(s.done) }) }

// Close ends the stream.
func (s *Stream) Close() {
	s.finish()
	s.hub.remove(s)
}
