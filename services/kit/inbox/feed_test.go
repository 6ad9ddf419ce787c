package inbox

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"daprmall.dev/services/kit/postgres"
)

// If a feed no longer has events that this service has not read, an alarm is raised that stays until an operator acts.
// Events that the feed still has are handled meanwhile.
func TestAFeedThatIsGoneRaisesAnAlarm(t *testing.T) {
	in, order, _ := openFollower(t)
	order.add(1, 1)
	in.CatchUp(t.Context(), 0)
	order.add(2, 4)
	order.purge(3)
	for range 2 {
		in.CatchUp(t.Context(), 0)
		if alarm := testutil.ToFloat64(feedGone.WithLabelValues("order")); effectCount(t, in.db) != 2 || alarm != 1 {
			t.Errorf("%d effects, alarm %v; want the first and the last, and the alarm", effectCount(t, in.db), alarm)
		}
	}
	if err := in.db.Exec("UPDATE inbox_positions SET gone_at = NULL").Error; err != nil {
		t.Fatal(err)
	}
	in.CatchUp(t.Context(), 0)
	if alarm := testutil.ToFloat64(feedGone.WithLabelValues("order")); alarm != 0 {
		t.Errorf("after an operator has acted: alarm %v", alarm)
	}
}

// A new consumer, or a type that was not handled before, begins with the events that the feed has. That is neither a
// loss nor an alarm.
func TestANewConsumerBeginsWithWhatTheFeedKeeps(t *testing.T) {
	in, order, _ := openFollower(t)
	order.add(1, 5)
	order.purge(3)
	if n := in.CatchUp(t.Context(), 0); n != 2 || testutil.ToFloat64(feedGone.WithLabelValues("order")) != 0 {
		t.Errorf("delivered %d, alarm %v; want the 2 in the feed and no alarm", n,
			testutil.ToFloat64(feedGone.WithLabelValues("order")))
	}
	order.add(6, 6)
	if n := in.CatchUp(t.Context(), 0); n != 1 {
		t.Errorf("then it delivered %d, want 1", n)
	}
}

// A consumer has a position from the first answer on, even of an empty feed: events that are lost afterwards are a
// loss.
func TestAConsumerOfAnEmptyFeedHasAPosition(t *testing.T) {
	in, order, _ := openFollower(t)
	in.CatchUp(t.Context(), 0)
	order.add(1, 2)
	order.purge(1)
	in.CatchUp(t.Context(), 0)
	if alarm := testutil.ToFloat64(feedGone.WithLabelValues("order")); alarm != 1 || effectCount(t, in.db) != 1 {
		t.Errorf("alarm %v, %d effects; want 1 and 1", alarm, effectCount(t, in.db))
	}
}

// The producer's database is restored to an earlier state, or a replica without the latest events takes over. New
// events then have positions that this service has already passed. They are handled, whenever the service reads the
// feed next.
func TestAProducerWithAnotherHistoryIsReadAgain(t *testing.T) {
	for name, after := range map[string]int{"without new events": 0, "with a shorter history": 1, "as long": 2,
		"longer": 5} {
		t.Run(name, func(t *testing.T) {
			in, order, _ := openFollower(t)
			order.add(1, 5)
			if n := in.CatchUp(t.Context(), 0); n != 5 {
				t.Fatalf("delivered %d, want 5", n)
			}
			forks := testutil.ToFloat64(feedForked.WithLabelValues("order"))
			if err := order.db.Exec("DELETE FROM outbox WHERE pos > 3; UPDATE outbox_head SET pos = 3").Error; err != nil {
				t.Fatal(err)
			}
			order.add(11, 10+after)
			in.CatchUp(t.Context(), 0)
			if n := effectCount(t, in.db); n != 5+after {
				t.Errorf("%d effects, want the 5 earlier and the %d new ones", n, after)
			}
			if n := testutil.ToFloat64(feedForked.WithLabelValues("order")) - forks; n != 1 {
				t.Errorf("it was reported %v times, want once", n)
			}
			order.add(21, 21)
			if n := in.CatchUp(t.Context(), 0); n != 1 || testutil.ToFloat64(feedForked.WithLabelValues("order"))-forks != 1 {
				t.Errorf("the next round delivered %d, want 1, and no further report", n)
			}
		})
	}
}

// A new version that handles one more type begins with all events of that type in the feed, although replicas of the
// old version follow the feed before, at the same time, and after a rollback.
func TestAVersionThatHandlesMoreMissesNothing(t *testing.T) {
	const more = "mall.order.paid.v1"
	old, order, p := openFollower(t)
	handled := map[string]int{}
	newer := New(old.db, p, old.log)
	On(newer, "order", kind, func(ctx context.Context, e fact) error { return recordEffect(ctx, old.db, e.N) })
	On(newer, "order", more, func(ctx context.Context, _ fact) error {
		handled[more]++
		return postgres.DB(ctx, old.db).Exec("SELECT 1").Error
	})
	both := func(n int) { order.add(n, n); order.addOfType(more, n) }
	both(1)
	old.CatchUp(t.Context(), 0) // ignores the type that it does not know
	newer.CatchUp(t.Context(), 0)
	both(2)
	old.CatchUp(t.Context(), 0)
	newer.CatchUp(t.Context(), 0)
	if handled[more] != 2 || effectCount(t, old.db) != 2 {
		t.Errorf("%d of the new type, %d of the old one; want 2 of each", handled[more], effectCount(t, old.db))
	}
	both(3)
	both(4)
	old.CatchUp(t.Context(), 0) // rolled back
	old.CatchUp(t.Context(), 0)
	newer.CatchUp(t.Context(), 0)
	if handled[more] != 4 || effectCount(t, old.db) != 4 {
		t.Errorf("after the roll-back: %d of the new type, %d of the old one; want 4 of each", handled[more],
			effectCount(t, old.db))
	}
}

// The metrics of every replica show that a feed fails, and since when.
func TestMetricsShowAFailingFeed(t *testing.T) {
	in, order, p := openFollower(t)
	order.add(1, 1)
	in.CatchUp(t.Context(), 0)
	read := testutil.ToFloat64(feedRead.WithLabelValues("order"))
	failures := testutil.ToFloat64(feedFailures.WithLabelValues("order"))
	if read == 0 {
		t.Error("no time of the last answer")
	}
	p.fail = errNo
	in.CatchUp(t.Context(), 0)
	if n := testutil.ToFloat64(feedFailures.WithLabelValues("order")); n != failures+1 {
		t.Errorf("%v failures, want one more than %v", n, failures)
	}
	if got := testutil.ToFloat64(feedRead.WithLabelValues("order")); got != read {
		t.Errorf("the last answer moved from %v to %v without one", read, got)
	}
}

// purge removes events up to a position, as the producer's retention does.
func (p *producer) purge(through int) {
	p.t.Helper()
	err := p.db.Exec(`UPDATE outbox_head SET purged_through = o.pos, purged_id = o.id FROM outbox o WHERE o.pos = ?`,
		through).Error
	if err == nil {
		err = p.db.Exec("DELETE FROM outbox WHERE pos <= ?", through).Error
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// addOfType commits a fact with the given type and gives it a position in the feed.
func (p *producer) addOfType(eventType string, n int) {
	p.t.Helper()
	p.add(n, n)
	err := p.db.Exec("UPDATE outbox SET type = ?, payload = replace(payload, ?, ?) WHERE pos = (SELECT max(pos) FROM "+
		"outbox)",
		eventType, kind, eventType).Error
	if err != nil {
		p.t.Fatal(err)
	}
}

// ReadAt tells when the feed was last read to its end. A page before the end does not count, and a type that was
// not read yet makes it unknown.
func TestReadAtTellsWhenAFeedWasReadToItsEnd(t *testing.T) {
	in, db, p := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		if e.N == 1 { // the producer fails after the first page
			p.mu.Lock()
			p.fail = errNo
			p.mu.Unlock()
		}
		return recordEffect(ctx, db, e.N)
	})
	read := func() bool {
		t.Helper()
		at, err := in.ReadAt(t.Context(), "order")
		if err != nil {
			t.Fatal(err)
		}
		return !at.IsZero()
	}
	produce(t, p, "order").add(1, 700)
	if n := in.CatchUp(t.Context(), 0); n != 500 || read() {
		t.Errorf("after %d of 700 events: read to the end %t", n, read())
	}
	p.fail = nil
	if n := in.CatchUp(t.Context(), 0); n != 200 || !read() {
		t.Errorf("after %d more: read to the end %t", n, read())
	}
	On(in, "order", "mall.order.paid.v1", func(context.Context, fact) error { return nil })
	if read() {
		t.Error("a new type counts as read")
	}
}
