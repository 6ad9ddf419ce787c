package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/sidecar"
)

func publish(t *testing.T, o *Outbox) int {
	t.Helper()
	n, err := o.publish(t.Context())
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	return n
}

// crash runs work that panics in the middle, as if the process was killed.
func crash(t *testing.T, work func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Fatal("the work did not crash")
		}
	}()
	work()
}

func TestARelayThatDiesLosesNothing(t *testing.T) {
	for name, died := range map[string]struct {
		taken bool // by the broker, before the relay died
		times int
	}{"before publishing": {false, 1}, "between publishing and marking": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			o, _, b := open(t)
			add(t, o, 1, 5)
			dying := New(o.db, "order", publisher(func(topic string, entries []sidecar.Entry) (map[string]bool, error) {
				if died.taken {
					_, _ = b.Publish(t.Context(), topic, entries)
				}
				if n := publish(t, o); n != 0 {
					t.Errorf("another replica took %d events that are being published", n)
				}
				number(t, o)
				panic("killed")
			}), o.log)
			crash(t, func() { _, _ = dying.publish(t.Context()) })
			if n := publish(t, o); n != 5 {
				t.Errorf("after the crash %d events were published, want 5 at once", n)
			}
			if n := publish(t, o); n != 0 {
				t.Errorf("%d events were published once more", n)
			}
			if events, deliveries := b.count(); events != 5 || deliveries != 5*died.times {
				t.Errorf("the broker took %d events in %d deliveries, want 5 in %d", events, deliveries, 5*died.times)
			}
			if p := feed(t, o, Query{}); len(p.Events) != 5 || p.Head != 5 {
				t.Errorf("the feed has %d events, head %d; want 5", len(p.Events), p.Head)
			}
		})
	}
}

type publisher func(topic string, entries []sidecar.Entry) (map[string]bool, error)

func (p publisher) Publish(_ context.Context, topic string, entries []sidecar.Entry) (map[string]bool, error) {
	return p(topic, entries)
}

// Events that the broker refused are published again later, accepted ones are not.
func TestRefusedEventsArePublishedAgain(t *testing.T) {
	o, db, b := open(t)
	add(t, o, 1, 6)
	b.before = func(_ string, entries []sidecar.Entry) (map[string]bool, error) {
		return map[string]bool{entries[1].ID: true, entries[4].ID: true}, nil
	}
	if n, err := o.publish(t.Context()); n != 6 || err == nil {
		t.Errorf("published %d, %v; want all six tried and an error about two", n, err)
	}
	if n := count(t, db, "published_at IS NULL AND claimed_until > now() "+
		"AND claimed_until < now() + interval '5 seconds'"); n != 2 {
		t.Errorf("%d events wait for another try within seconds, want 2", n)
	}
	b.before = nil
	makeDue(t, db)
	publish(t, o)
	if events, deliveries := b.count(); events != 6 || deliveries != 6 {
		t.Errorf("the broker took %d events in %d deliveries, want each of 6 once", events, deliveries)
	}
	if n := count(t, db, "published_at IS NULL"); n != 0 {
		t.Errorf("%d events are still to be published", n)
	}
}

// If the broker refuses one topic, the others are still published.
func TestAFailingTopicDoesNotDelayOthers(t *testing.T) {
	o, db, b := open(t)
	b.before = func(topic string, _ []sidecar.Entry) (map[string]bool, error) {
		if topic == "mall-stock" {
			return nil, errDown
		}
		return nil, nil
	}
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		e := event(1)
		e.Topic = "mall-stock"
		return o.Add(ctx, e, event(2))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.publish(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("publish: %v, want the broker's error", err)
	}
	if n := count(t, db, "published_at IS NULL AND topic = 'mall-stock'"); n != 1 ||
		count(t, db, "published_at IS NULL") != 1 {
		t.Errorf("unpublished: %d of the failing topic, %d in all; want 1 and 1", n, count(t, db, "published_at IS NULL"))
	}
}

// Two replicas publish while events are written: the broker gets each event once.
func TestRelaysShareTheWork(t *testing.T) {
	o, db, b := open(t)
	all := make(chan struct{})
	b.before = func(_ string, entries []sidecar.Entry) (map[string]bool, error) {
		if len(b.times)+len(entries) == 300 {
			close(all)
		}
		return nil, nil
	}
	other := New(db, "order", b, o.log)
	ctx, stop := context.WithCancel(t.Context())
	var relays sync.WaitGroup
	for _, replica := range []*Outbox{o, other} {
		relays.Go(func() { replica.Run(ctx) })
	}
	var writers sync.WaitGroup
	for w := range 6 {
		writers.Go(func() { add(t, []*Outbox{o, other}[w%2], w*50+1, w*50+50) })
	}
	writers.Wait()
	<-all
	stop()
	relays.Wait()
	number(t, o)
	if events, deliveries := b.count(); events != 300 || deliveries != 300 {
		t.Errorf("the broker took %d events in %d deliveries, want each of 300 once", events, deliveries)
	}
	if n, numbered := count(t, db, "published_at IS NOT NULL"), count(t, db, "pos IS NOT NULL"); n != 300 ||
		numbered != 300 {
		t.Errorf("%d marked, %d numbered, want 300", n, numbered)
	}
}

// A relay is not notified of events that another process committed or claimed before it died: it finds them by polling.
func TestARelayFindsTheEventsOfADeadReplica(t *testing.T) {
	o, db, b := open(t)
	dead := New(db, "order", nil, o.log)
	add(t, dead, 1, 3)
	if err := db.Exec("UPDATE outbox SET claimed_until = now() - interval '1 second' WHERE seq = 2").Error; err != nil {
		t.Fatal(err)
	}
	all := make(chan struct{})
	b.before = func(_ string, entries []sidecar.Entry) (map[string]bool, error) {
		if len(b.times)+len(entries) == 3 {
			close(all)
		}
		return nil, nil
	}
	ctx, stop := context.WithCancel(t.Context())
	var relay sync.WaitGroup
	relay.Go(func() { o.Run(ctx) })
	<-all
	stop()
	relay.Wait()
	if events, deliveries := b.count(); events != 3 || deliveries != 3 || count(t, db, "published_at IS NOT NULL") != 3 {
		t.Errorf("the broker took %d events in %d deliveries, want each of 3 once", events, deliveries)
	}
}

// Events are published in the order in which they were written: the broker can only keep the order of a key that it is
// given.
func TestABatchKeepsTheOrderOfItsEvents(t *testing.T) {
	o, db, b := open(t)
	add(t, o, 1, 150)
	var want []string
	if err := db.Raw("SELECT id FROM outbox ORDER BY seq").Scan(&want).Error; err != nil {
		t.Fatal(err)
	}
	for seq := 150; seq > 0; seq -= 7 { // updated rows move to another position in the table
		if err := db.Exec("UPDATE outbox SET attempts = 1 WHERE seq = ?", seq).Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Exec("ANALYZE outbox").Error; err != nil {
		t.Fatal(err)
	}
	publish(t, o)
	if !slices.Equal(b.took, want) {
		t.Errorf("published in the order %.120s…, want the order of writing", fmt.Sprint(b.took))
	}
}

// The relay is notified by a commit, never by a transaction that may still roll back.
func TestOnlyACommitNotifiesTheRelay(t *testing.T) {
	o, db, _ := open(t)
	inside := func(fail error) int {
		woken := -1
		err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
			if err := o.Add(ctx, event(1)); err != nil {
				return err
			}
			woken = len(o.wake)
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
		return woken
	}
	if n := inside(errDown); n != 0 || len(o.wake) != 0 {
		t.Errorf("rolled back: notified %d times inside, %d after", n, len(o.wake))
	}
	if n := inside(nil); n != 0 || len(o.wake) != 1 {
		t.Errorf("committed: notified %d times inside, %d after; want 0 and 1", n, len(o.wake))
	}
}
