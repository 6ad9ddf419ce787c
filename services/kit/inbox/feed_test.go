package inbox

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"daprmall.dev/services/kit/postgres"
)

// A feed that no longer holds what this service has not seen is an alarm that stays until somebody has acted. What the
// feed still holds is handled meanwhile.
func TestAFeedThatIsGoneRaisesAnAlarm(t *testing.T) {
	in, order, _ := follower(t)
	order.tell(1, 1)
	in.CatchUp(t.Context(), 0)
	order.tell(2, 4)
	order.purge(3)
	for range 2 {
		in.CatchUp(t.Context(), 0)
		if alarm := testutil.ToFloat64(feedGone.WithLabelValues("order")); kept(t, in.db) != 2 || alarm != 1 {
			t.Errorf("%d effects, alarm %v; want the first and the last, and the alarm", kept(t, in.db), alarm)
		}
	}
	if err := in.db.Exec("UPDATE inbox_positions SET gone_at = NULL").Error; err != nil {
		t.Fatal(err)
	}
	in.CatchUp(t.Context(), 0)
	if alarm := testutil.ToFloat64(feedGone.WithLabelValues("order")); alarm != 0 {
		t.Errorf("once somebody has acted: alarm %v", alarm)
	}
}

// A service that is new, or a type it did not handle before, begins with what the feed keeps. That is no loss, and no
// alarm.
func TestANewConsumerBeginsWithWhatTheFeedKeeps(t *testing.T) {
	in, order, _ := follower(t)
	order.tell(1, 5)
	order.purge(3)
	if n := in.CatchUp(t.Context(), 0); n != 2 || testutil.ToFloat64(feedGone.WithLabelValues("order")) != 0 {
		t.Errorf("brought %d, alarm %v; want the 2 that are kept, and none", n,
			testutil.ToFloat64(feedGone.WithLabelValues("order")))
	}
	order.tell(6, 6)
	if n := in.CatchUp(t.Context(), 0); n != 1 {
		t.Errorf("then it brought %d, want 1", n)
	}
}

// It has a position from the first answer on, also of an empty feed: what is lost after that is a loss.
func TestAConsumerOfAnEmptyFeedHasAPosition(t *testing.T) {
	in, order, _ := follower(t)
	in.CatchUp(t.Context(), 0)
	order.tell(1, 2)
	order.purge(1)
	in.CatchUp(t.Context(), 0)
	if alarm := testutil.ToFloat64(feedGone.WithLabelValues("order")); alarm != 1 || kept(t, in.db) != 1 {
		t.Errorf("alarm %v, %d effects; want 1 and 1", alarm, kept(t, in.db))
	}
}

// The producer's database comes back as it was yesterday, or its copy takes over that had not heard of the last events.
// What it tells from then on has positions that this service has passed, and is handled all the same, whenever the
// service asks next.
func TestAProducerWithAnotherHistoryIsReadAgain(t *testing.T) {
	for name, after := range map[string]int{"before it told anything": 0, "when it has come less far": 1, "as far": 2,
		"further": 5} {
		t.Run(name, func(t *testing.T) {
			in, order, _ := follower(t)
			order.tell(1, 5)
			if n := in.CatchUp(t.Context(), 0); n != 5 {
				t.Fatalf("brought %d, want 5", n)
			}
			forks := testutil.ToFloat64(feedForked.WithLabelValues("order"))
			if err := order.db.Exec("DELETE FROM outbox WHERE pos > 3; UPDATE outbox_head SET pos = 3").Error; err != nil {
				t.Fatal(err)
			}
			order.tell(11, 10+after)
			in.CatchUp(t.Context(), 0)
			if n := kept(t, in.db); n != 5+after {
				t.Errorf("%d effects, want the 5 that were and the %d that came", n, after)
			}
			if n := testutil.ToFloat64(feedForked.WithLabelValues("order")) - forks; n != 1 {
				t.Errorf("it was told %v times, want once", n)
			}
			order.tell(21, 21)
			if n := in.CatchUp(t.Context(), 0); n != 1 || testutil.ToFloat64(feedForked.WithLabelValues("order"))-forks != 1 {
				t.Errorf("the next round brought %d, want 1, and no other alarm", n)
			}
		})
	}
}

// A version that handles a type more begins with all the feed keeps of it, though replicas of the version before go on
// to follow the feed, before it, beside it and after a roll-back.
func TestAVersionThatHandlesMoreMissesNothing(t *testing.T) {
	const more = "mall.order.paid.v1"
	old, order, p := follower(t)
	handled := map[string]int{}
	newer := New(old.db, p, old.log)
	On(newer, "order", kind, func(ctx context.Context, e fact) error { return keep(ctx, old.db, e.N) })
	On(newer, "order", more, func(ctx context.Context, _ fact) error {
		handled[more]++
		return postgres.DB(ctx, old.db).Exec("SELECT 1").Error
	})
	both := func(n int) { order.tell(n, n); order.tellOf(more, n) }
	both(1)
	old.CatchUp(t.Context(), 0) // passes what it does not know
	newer.CatchUp(t.Context(), 0)
	both(2)
	old.CatchUp(t.Context(), 0)
	newer.CatchUp(t.Context(), 0)
	if handled[more] != 2 || kept(t, old.db) != 2 {
		t.Errorf("%d of the new type, %d of the old one; want 2 of each", handled[more], kept(t, old.db))
	}
	both(3)
	both(4)
	old.CatchUp(t.Context(), 0) // rolled back
	old.CatchUp(t.Context(), 0)
	newer.CatchUp(t.Context(), 0)
	if handled[more] != 4 || kept(t, old.db) != 4 {
		t.Errorf("after the roll-back: %d of the new type, %d of the old one; want 4 of each", handled[more], kept(t, old.db))
	}
}

// Whoever looks at the metrics of any replica sees that a feed fails, and since when.
func TestAFeedThatFailsIsSeen(t *testing.T) {
	in, order, p := follower(t)
	order.tell(1, 1)
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

// purge removes what the producer told up to a position, as its retention does.
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

// tellOf commits a fact of a type and gives it its place in the feed.
func (p *producer) tellOf(eventType string, n int) {
	p.t.Helper()
	p.tell(n, n)
	err := p.db.Exec("UPDATE outbox SET type = ?, payload = replace(payload, ?, ?) WHERE pos = (SELECT max(pos) FROM "+
		"outbox)",
		eventType, kind, eventType).Error
	if err != nil {
		p.t.Fatal(err)
	}
}

// Whoever must not act before all is heard asks when the feed was read to its end; a page in the middle does not count,
// nor does a type that was not read yet.
func TestAFeedIsReadToItsEnd(t *testing.T) {
	in, db, p := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		if e.N == 1 { // the producer goes away after the first page
			p.mu.Lock()
			p.fail = errNo
			p.mu.Unlock()
		}
		return keep(ctx, db, e.N)
	})
	read := func() bool {
		t.Helper()
		at, err := in.ReadAt(t.Context(), "order")
		if err != nil {
			t.Fatal(err)
		}
		return !at.IsZero()
	}
	produce(t, p, "order").tell(1, 700)
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
