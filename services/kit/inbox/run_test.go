package inbox

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/postgres/postgrestest"
)

// openFollower returns an inbox that handles the events of the app "order".
func openFollower(t *testing.T) (*Inbox, *producer, *fakeSidecar) {
	t.Helper()
	in, db, p := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error { return recordEffect(ctx, db, e.N) })
	return in, produce(t, p, "order"), p
}

// The broker is the fast path; the feed guarantees delivery.
func TestTheFeedDeliversWhatTheBrokerLost(t *testing.T) {
	in, order, _ := openFollower(t)
	order.add(1, 700) // more than a page
	for i, body := range order.bodies() {
		if i%3 != 0 {
			receive(t, in, body)
		}
	}
	lost := (700 + 2) / 3
	if n := in.CatchUp(t.Context(), 0); n != lost {
		t.Errorf("the feed delivered %d events, want the %d that were lost", n, lost)
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 {
		t.Errorf("the next round delivered %d, want none", n)
	}
	order.add(701, 702)
	if n := in.CatchUp(t.Context(), time.Minute); n != 0 {
		t.Errorf("%d young events were not left to the broker", n)
	}
	if n := in.CatchUp(t.Context(), 0); n != 2 || effectCount(t, in.db) != 702 {
		t.Errorf("the feed delivered %d, %d effects in all; want 2 and 702", n, effectCount(t, in.db))
	}
	via := map[string]int{}
	for _, r := range rows(t, in.db) {
		via[r.Via]++
	}
	if via["feed"] != lost+2 || via["push"] != 700-lost {
		t.Errorf("rows by via: %v", via)
	}
}

// An event that fails when read from the feed is parked like any other, and the cursor moves on.
func TestAFailureDoesNotStopTheFeed(t *testing.T) {
	in, db, p := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		if e.N == 2 {
			panic("boom")
		}
		return recordEffect(ctx, db, e.N)
	})
	produce(t, p, "order").add(1, 3)
	if n := in.CatchUp(t.Context(), 0); n != 3 || effectCount(t, db) != 2 {
		t.Errorf("delivered %d, %d effects; want 3 and 2", n, effectCount(t, db))
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 {
		t.Errorf("the parked event came again: %d", n)
	}
}

// A follower that dies between handling a page and moving its cursor handles the page again, without effect.
func TestARepeatedPageHasNoEffect(t *testing.T) {
	in, order, _ := openFollower(t)
	order.add(1, 5)
	if n := in.CatchUp(t.Context(), 0); n != 5 {
		t.Fatalf("delivered %d, want 5", n)
	}
	if err := in.db.Exec("UPDATE inbox_positions SET pos = 2, event_id = ''").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 || effectCount(t, in.db) != 5 {
		t.Errorf("the page again: delivered %d, %d effects; want 0 and 5", n, effectCount(t, in.db))
	}
}

// The cursor never passes an event that could be neither handled nor parked: the event would be lost.
func TestTheCursorStopsBeforeAnEventThatCouldNotBeParked(t *testing.T) {
	in, order, _ := openFollower(t)
	order.add(1, 3)
	// stands for a database that fails for a moment
	if err := in.db.Exec("ALTER TABLE inbox ADD CONSTRAINT away CHECK (key <> '2')").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 1 || effectCount(t, in.db) != 2 {
		t.Errorf("delivered %d, %d effects; want it to stop after the first, with all others of the page handled", n,
			effectCount(t, in.db))
	}
	if err := in.db.Exec("ALTER TABLE inbox DROP CONSTRAINT away").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 1 || effectCount(t, in.db) != 3 {
		t.Errorf("once it works: delivered %d, %d effects; want 1 and 3", n, effectCount(t, in.db))
	}
}

// Retention removes handled events, never parked ones.
func TestParkedEventsOutliveRetention(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		if e.N == 1 {
			return errNo
		}
		return recordEffect(ctx, db, e.N)
	})
	for n := range 3 {
		receive(t, in, eventBody(t, newID(), n))
	}
	if err := db.Exec("UPDATE inbox SET received_at = now() - interval '31 days' WHERE key <> '2'").Error; err != nil {
		t.Fatal(err)
	}
	if err := purgeHandled.Run(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	left := map[string]int{}
	for _, r := range rows(t, db) {
		left[r.Status]++
	}
	if len(left) != 2 || left["parked"] != 1 || left["done"] != 1 {
		t.Errorf("left after retention: %v; want the parked one and the young one", left)
	}
}

func TestOneReplicaFollowsAFeed(t *testing.T) {
	in, order, p := openFollower(t)
	other := New(in.db, p, in.log)
	other.handlers = in.handlers
	order.add(1, 3)

	// While a replica has the lease of the cursor, others do not read the feed,
	if _, mine, err := other.lease(t.Context(), feed{"order", []string{kind}}); err != nil || !mine {
		t.Fatalf("first lease: %v, %v", mine, err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 || p.asked != 0 {
		t.Errorf("the other replica delivered %d and asked %d times, want none", n, p.asked)
	}
	// until the lease ends, as after a crash.
	if err := in.db.Exec("UPDATE inbox_positions SET lease_until = now() - interval '1 second'").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 3 {
		t.Errorf("after the lease: delivered %d, want 3", n)
	}
	// After its round a replica releases the lease at once.
	order.add(4, 4)
	if n := other.CatchUp(t.Context(), 0); n != 1 || effectCount(t, in.db) != 4 {
		t.Errorf("the first replica delivered %d, %d effects; want 1 and 4", n, effectCount(t, in.db))
	}
}

func TestReplicasCatchUpTogether(t *testing.T) {
	in, order, p := openFollower(t)
	order.add(1, 200)
	brought := make([]int, 4)
	var wg sync.WaitGroup
	for i := range brought {
		replica := New(in.db, p, in.log)
		replica.handlers = in.handlers
		wg.Go(func() { brought[i] = replica.CatchUp(t.Context(), 0) })
	}
	wg.Wait()
	if n := effectCount(t, in.db); n != 200 {
		t.Errorf("%d effects of 200 events, delivered %v", n, brought)
	}
}

func TestAProducerThatIsDownIsAskedAgain(t *testing.T) {
	in, order, p := openFollower(t)
	order.add(1, 1)
	p.fail = errNo
	if n := in.CatchUp(t.Context(), 0); n != 0 {
		t.Errorf("delivered %d, want none", n)
	}
	p.fail = nil
	if n := in.CatchUp(t.Context(), 0); n != 1 {
		t.Errorf("once it is up: delivered %d, want 1", n)
	}
}

// A subscription has stalled if the feed had a producer's events in two rounds that the broker had not delivered, and
// the broker delivered nothing of that producer for half a minute. Then the sidecar is restarted, at most once in five
// minutes. Until that is clear, the rounds follow each other sooner.
func TestAStalledSidecarIsRestarted(t *testing.T) {
	in, order, p := openFollower(t)
	now := in.awake.since
	in.now = func() time.Time { return now }
	added := 0
	for _, step := range []struct {
		why   string
		after time.Duration
		push  bool // the broker delivers an event
		lose  bool // the broker loses an event
		want  int  // number of restarts until now
		soon  bool // the next round comes sooner
	}{
		{"the feed is read from its start", 10 * time.Second, false, true, 0, false},
		{"one event is lost", 10 * time.Second, false, true, 0, true},
		{"half a minute after the start nothing is lost", 11 * time.Second, false, false, 0, true},
		{"but a second event is", time.Second, false, true, 1, false},
		{"it was restarted just now", 2 * time.Minute, false, true, 1, true},
		{"and again something was lost", time.Minute, false, true, 1, false},
		{"five minutes later it is still stalled", 2 * time.Minute, false, true, 2, false},
		{"it delivers again", 6 * time.Minute, true, false, 2, false},
		{"one event is lost", time.Minute, false, true, 2, true},
		{"others come", 10 * time.Second, true, false, 2, true},
		{"one event is lost again", 40 * time.Second, false, true, 2, true},
	} {
		now = now.Add(step.after)
		if step.push || step.lose {
			added++
			order.add(added, added)
		}
		if step.push {
			receive(t, in, order.bodies()[added-1])
		}
		if n := in.CatchUp(t.Context(), 0); (n == 1) != step.lose {
			t.Errorf("%s: the feed delivered %d", step.why, n)
		}
		if p.shutdowns != step.want {
			t.Errorf("%s: %d restarts, want %d", step.why, p.shutdowns, step.want)
		}
		if in.missedLately() != step.soon {
			t.Errorf("%s: the next round comes sooner: %t, want %t", step.why, !step.soon, step.soon)
		}
	}
}

// A process that stood still heard nothing meanwhile: when it goes on, the events that the feed has by then do not say
// that its sidecar has stalled.
func TestNoSidecarIsRestartedBecauseItsAppStoodStill(t *testing.T) {
	in, order, p := openFollower(t)
	now := in.awake.since
	in.now = func() time.Time { return now }
	added := 0
	lose := func(after time.Duration, restarts int) {
		now = now.Add(after)
		added++
		order.add(added, added)
		if err := in.retryDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := in.CatchUp(t.Context(), 0); n != 1 || p.shutdowns != restarts {
			t.Errorf("after %s: the feed delivered %d, %d restarts, want %d", after, n, p.shutdowns, restarts)
		}
	}
	lose(time.Second, 0) // the feed is read from its start
	lose(time.Minute, 0) // it stood still
	for range 7 {
		lose(4*time.Second, 0)
	}
	lose(4*time.Second, 1) // it has run for more than half a minute now
}

// Run retries parked events, and ends with its context.
func TestRunRetriesWhatIsDue(t *testing.T) {
	in, db, p := open(t)
	var mu sync.Mutex
	tries := 0
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 {
			return errNo
		}
		return recordEffect(ctx, db, e.N)
	})
	produce(t, p, "order")
	receive(t, in, eventBody(t, newID(), 1))
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { in.Run(ctx) })
	await(t, "the retry", func() bool { return effectCount(t, db) == 1 })
	stop()
	run.Wait()
	if all := rows(t, db); all[0].Status != "done" || all[0].Attempts != 2 {
		t.Errorf("row %+v, want it done in two attempts", all[0])
	}
}

// However many rows there are, a batch reads only those that it removes, through the index on their age.
func TestRetentionReadsOnlyWhatItRemoves(t *testing.T) {
	_, db, _ := open(t)
	err := db.Exec(`INSERT INTO inbox (id, source, type, key, status, via, received_at)
		SELECT n, 'order', 't', n, CASE WHEN n <= 3 THEN 'parked' ELSE 'done' END, 'push',
			now() - CASE WHEN n <= 12000 THEN interval '31 days' ELSE interval '1 day' END FROM generate_series(1, 60000) n`).
		Error
	if err == nil {
		err = db.Exec("ANALYZE inbox").Error
	}
	if err != nil {
		t.Fatal(err)
	}
	statement, args := purgeHandled.SQL()
	plan := postgrestest.Explain(t, db, statement, args...)
	if !slices.Equal(plan.Scans, []string{"Index Scan inbox", "Tid Scan inbox"}) || plan.Rows > 2*5000+3 {
		t.Errorf("one batch reads %v rows by %v; want at most twice 5,000 and the parked ones, by the index", plan.Rows,
			plan.Scans)
	}
	if err := purgeHandled.Run(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.Raw("SELECT count(*) FROM inbox").Scan(&left).Error; err != nil || left != 48003 {
		t.Errorf("%d rows are left, %v; want 48,000 young and 3 parked ones", left, err)
	}
}
