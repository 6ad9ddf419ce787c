package orderstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"daprmall.dev/api-gateway/internal/orderstream"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/problem"
)

// orders is order: one history for each id, and everything that has changed.
type orders struct {
	mu      sync.Mutex
	changed []orderv1.OrderChange
	polls   int
	down    bool
	lost    bool
}

func (o *orders) become(id, status string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed = append(o.changed, orderv1.OrderChange{OrderID: id, Position: len(o.of(id)), Status: status,
		At: time.Now()})
}

func (o *orders) of(id string) (history []orderv1.Change) {
	for _, c := range o.changed {
		if c.OrderID == id {
			history = append(history, orderv1.Change{Status: c.Status, At: c.At})
		}
	}
	return history
}

func (o *orders) source() orderstream.Source {
	return orderstream.Source{
		History: func(_ context.Context, id string) (orderv1.History, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if len(o.of(id)) == 0 {
				return orderv1.History{}, problem.NewNotFound("order")
			}
			return orderv1.History{Items: o.of(id), Next: strconv.Itoa(1 + len(o.changed))}, nil
		},
		Changes: func(_ context.Context, after string) (orderv1.Changes, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.polls++
			if o.down {
				return orderv1.Changes{}, errors.New("order is down")
			}
			n, err := strconv.Atoi(after)
			// the last change comes again, as those of unfinished transactions do
			return orderv1.Changes{Items: o.changed[max(0, n-2):], Next: strconv.Itoa(1 + len(o.changed)), Lost: o.lost}, err
		},
	}
}

func (o *orders) polled() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.polls
}

func (o *orders) set(what *bool, to bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*what = to
}

func begin(most int64) (*orders, *orderstream.Hub) {
	o := &orders{}
	return o, orderstream.New(o.source(), func() int64 { return most }, slog.New(slog.DiscardHandler))
}

// bubble runs a test in fake time, and lets the pollers end.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t)
		time.Sleep(pause) //nolint:forbidigo // synctest: nobody waits
	})
}

// pause is longer than a poller needs to end.
const pause = time.Second

func allowed(context.Context) error { return nil }

// next returns the status that comes within d, "-" if none does, and "end" if the stream has ended.
func next(ctx context.Context, s *orderstream.Stream, d time.Duration) string {
	entries, ok := s.Next(ctx, time.After(d))
	switch {
	case !ok:
		return "end"
	case len(entries) == 0:
		return "-"
	}
	return entries[0].Status
}

func statuses(s *orderstream.Stream) (all []string) {
	for _, e := range s.Backlog() {
		all = append(all, e.Status)
	}
	return all
}

// A client gets what it does not have, then every new status once and within a second; it resumes with the id of the
// last that it has, from any process.
func TestAStreamHasNoGapAndNoRepeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		t.Helper()
		o, hub := begin(100)
		o.become("5", "awaiting_payment")
		s, err := hub.Open(t.Context(), "7", "5", "", allowed)
		if err != nil || !slices.Equal(statuses(s), []string{"awaiting_payment"}) {
			t.Fatalf("%v, %v", statuses(s), err)
		}
		first := s.Backlog()[0].ID()
		o.become("6", "awaiting_payment")
		if got := next(t.Context(), s, time.Minute); got != "-" {
			t.Errorf("%s, though nothing has happened", got)
		}
		for _, status := range []string{"paid", "cancelled", "refunded"} {
			o.become("5", status)
			if got := next(t.Context(), s, time.Second); got != status {
				t.Errorf("%s, want %s", got, status)
			}
			if over := s.Over(); over != (status == "refunded") {
				t.Errorf("over %v after %s", over, status)
			}
		}
		s.Close()
		for last, want := range map[string][]string{"": {"awaiting_payment", "paid", "cancelled", "refunded"},
			first: {"paid", "cancelled", "refunded"}, "0-1": {"awaiting_payment", "paid", "cancelled", "refunded"}} {
			hub := orderstream.New(o.source(), func() int64 { return 1 }, slog.New(slog.DiscardHandler))
			s, err := hub.Open(t.Context(), "7", "5", last, allowed)
			if err != nil || !slices.Equal(statuses(s), want) || !s.Over() {
				t.Errorf("after %q: %v, %v; want %v", last, statuses(s), err, want)
			}
			s.Close()
		}
	})
}

// Without streams nothing is asked; any number of streams shares one poller.
func TestAnIdleGatewayDoesNotPoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		t.Helper()
		o, hub := begin(100)
		var streams []*orderstream.Stream
		for i := range 40 {
			id := strconv.Itoa(100 + i)
			o.become(id, "awaiting_payment")
			s, err := hub.Open(t.Context(), id, id, "", allowed)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		time.Sleep(10 * time.Second) //nolint:forbidigo // synctest: nobody waits
		if n := o.polled(); n < 35 || n > 45 {
			t.Errorf("%d polls in 10 s with 40 streams, want four a second", n)
		}
		for _, s := range streams {
			s.Close()
			s.Close()
		}
		if n := hub.Streams(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
		time.Sleep(pause) //nolint:forbidigo // synctest
		before := o.polled()
		time.Sleep(time.Hour) //nolint:forbidigo // synctest
		if n := o.polled() - before; n > 0 {
			t.Errorf("%d polls without a stream", n)
		}
		s, err := hub.Open(t.Context(), "7", "100", "", allowed)
		if err != nil {
			t.Fatal(err)
		}
		o.become("100", "paid")
		if got := next(t.Context(), s, time.Second); got != "paid" {
			t.Errorf("%s after a pause, want paid", got)
		}
		s.Close()
	})
}

// While order is down streams stay open, and tell afterwards what has happened meanwhile.
func TestAStreamOutlivesAnOutageOfOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		t.Helper()
		o, hub := begin(100)
		o.become("5", "awaiting_payment")
		s, err := hub.Open(t.Context(), "7", "5", "", allowed)
		if err != nil {
			t.Fatal(err)
		}
		o.set(&o.down, true)
		o.become("5", "paid")
		if got := next(t.Context(), s, time.Minute); got != "-" {
			t.Errorf("%s from an order that is down", got)
		}
		o.set(&o.down, false)
		if got := next(t.Context(), s, time.Second); got != "paid" {
			t.Errorf("%s, want paid", got)
		}
		s.Close()
	})
}

// When changes were lost, the process ends, or the user's access ends, the stream ends; others stay.
func TestWhatEndsAStream(t *testing.T) {
	for what, end := range map[string]func(*orders, *orderstream.Hub, func()){
		"lost changes":         func(o *orders, _ *orderstream.Hub, _ func()) { o.set(&o.lost, true) },
		"the end of a process": func(_ *orders, h *orderstream.Hub, _ func()) { h.End() },
		"the end of access":    func(_ *orders, _ *orderstream.Hub, signOut func()) { signOut() },
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				t.Helper()
				o, hub := begin(100)
				o.become("5", "awaiting_payment")
				ctx, signOut := context.WithCancel(t.Context())
				s, err := hub.Open(t.Context(), "7", "5", "", func(context.Context) error { return ctx.Err() })
				if err != nil {
					t.Fatal(err)
				}
				other, err := hub.Open(t.Context(), "7", "5", "", allowed)
				if err != nil {
					t.Fatal(err)
				}
				end(o, hub, signOut)
				if got := next(t.Context(), s, 2*time.Second); got != "end" {
					t.Errorf("%s, want the end", got)
				}
				if got := next(t.Context(), other, 2*time.Second); (got == "end") == (what == "the end of access") {
					t.Errorf("another stream: %s", got)
				}
				s.Close()
				other.Close()
				signOut()
			})
		})
	}
}

// A process that ends tells who comes what has happened, so that no client is refused by a restart.
func TestAnEndingProcessTellsTheHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		t.Helper()
		o, hub := begin(100)
		o.become("5", "awaiting_payment")
		hub.End()
		s, err := hub.Open(t.Context(), "7", "5", "", allowed)
		if err != nil || len(s.Backlog()) != 1 {
			t.Fatalf("%v, %v", statuses(s), err)
		}
		if got := next(t.Context(), s, time.Second); got != "end" {
			t.Errorf("%s, want the end", got)
		}
		s.Close()
	})
}

// A user has at most ten streams (429), and the process as many as it is told (503). A refused one counts no more.
func TestStreamsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		t.Helper()
		o, hub := begin(15)
		o.become("5", "awaiting_payment")
		got := map[string]int{}
		var streams []*orderstream.Stream
		open := func(user string) {
			s, err := hub.Open(t.Context(), user, "5", "", allowed)
			got[fmt.Sprintf("%s %s", user, problem.KindOf(err))]++
			if err == nil {
				streams = append(streams, s)
			}
		}
		for range 12 {
			open("7")
		}
		for range 7 {
			open("8")
		}
		if _, err := hub.Open(t.Context(), "7", "404", "", allowed); err == nil {
			t.Error("an order that does not exist has a stream")
		}
		for i, want := range map[string]int{"7 ": 10, "7 too_many_requests": 2, "8 ": 5, "8 unavailable": 2} {
			if got[i] != want {
				t.Errorf("%s: %d, want %d", i, got[i], want)
			}
		}
		for _, s := range streams {
			s.Close()
		}
		if n := hub.Streams(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
	})
}
