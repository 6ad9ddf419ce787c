package inbox

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/postgres/postgrestest"
)

// follower is an inbox that keeps what the app "order" tells.
func follower(t *testing.T) (*Inbox, *producer, *peer) {
	t.Helper()
	in, db, p := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error { return keep(ctx, db, e.N) })
	return in, produce(t, p, "order"), p
}

// The broker is the fast path, the feed the guarantee.
func TestTheFeedBringsWhatTheBrokerLost(t *testing.T) {
	in, order, _ := follower(t)
	order.tell(1, 700) // more than a page
	for i, body := range order.bodies() {
		if i%3 != 0 {
			receive(t, in, body)
		}
	}
	lost := (700 + 2) / 3
	if n := in.CatchUp(t.Context(), 0); n != lost {
		t.Errorf("the feed brought %d events, want the %d that were lost", n, lost)
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 {
		t.Errorf("the next round brought %d", n)
	}
	order.tell(701, 702)
	if n := in.CatchUp(t.Context(), time.Minute); n != 0 {
		t.Errorf("%d young events were not left to the broker", n)
	}
	if n := in.CatchUp(t.Context(), 0); n != 2 || kept(t, in.db) != 702 {
		t.Errorf("the feed brought %d, %d effects in all; want 2 and 702", n, kept(t, in.db))
	}
	via := map[string]int{}
	for _, r := range rows(t, in.db) {
		via[r.Via]++
	}
	if via["feed"] != lost+2 || via["push"] != 700-lost {
		t.Errorf("rows by way: %v", via)
	}
}

// What fails on its way through the feed is parked like any other; the cursor goes on.
func TestAFailureDoesNotStopTheFeed(t *testing.T) {
	in, db, p := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		if e.N == 2 {
			panic("boom")
		}
		return keep(ctx, db, e.N)
	})
	produce(t, p, "order").tell(1, 3)
	if n := in.CatchUp(t.Context(), 0); n != 3 || kept(t, db) != 2 {
		t.Errorf("brought %d, %d effects; want 3 and 2", n, kept(t, db))
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 {
		t.Errorf("the parked event came again: %d", n)
	}
}

// A follower that dies after it handled a page and before it moved its cursor handles the page again, and nothing
// happens twice.
func TestAFollowerThatDiesComesAgain(t *testing.T) {
	in, order, _ := follower(t)
	order.tell(1, 5)
	if n := in.CatchUp(t.Context(), 0); n != 5 {
		t.Fatalf("brought %d, want 5", n)
	}
	if err := in.db.Exec("UPDATE inbox_positions SET pos = 2, event_id = ''").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 || kept(t, in.db) != 5 {
		t.Errorf("the page again: brought %d, %d effects; want 0 and 5", n, kept(t, in.db))
	}
}

// The cursor never passes an event that could be neither handled nor parked: it would be lost for good.
func TestTheCursorWaitsForWhatCouldNotBeParked(t *testing.T) {
	in, order, _ := follower(t)
	order.tell(1, 3)
	// as a database that goes away for a moment
	if err := in.db.Exec("ALTER TABLE inbox ADD CONSTRAINT away CHECK (key <> '2')").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 1 || kept(t, in.db) != 2 {
		t.Errorf("brought %d, %d effects; want it to stop behind the first, with all others of the page handled", n,
			kept(t, in.db))
	}
	if err := in.db.Exec("ALTER TABLE inbox DROP CONSTRAINT away").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 1 || kept(t, in.db) != 3 {
		t.Errorf("once it works: brought %d, %d effects; want 1 and 3", n, kept(t, in.db))
	}
}

// Retention forgets what was handled, never what waits.
func TestParkedEventsOutliveRetention(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		if e.N == 1 {
			return errNo
		}
		return keep(ctx, db, e.N)
	})
	for n := range 3 {
		receive(t, in, wire(t, newID(), n))
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
	in, order, p := follower(t)
	other := New(in.db, p, in.log)
	other.handlers = in.handlers
	order.tell(1, 3)

	// A replica that has the cursor keeps the others away …
	if _, mine, err := other.lease(t.Context(), feed{"order", []string{kind}}); err != nil || !mine {
		t.Fatalf("first lease: %v, %v", mine, err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 0 || p.asked != 0 {
		t.Errorf("the other replica brought %d and asked %d times, want none", n, p.asked)
	}
	// … until its lease ends, as after a crash …
	if err := in.db.Exec("UPDATE inbox_positions SET lease_until = now() - interval '1 second'").Error; err != nil {
		t.Fatal(err)
	}
	if n := in.CatchUp(t.Context(), 0); n != 3 {
		t.Errorf("after the lease: brought %d, want 3", n)
	}
	// … and who has done its round gives it back at once.
	order.tell(4, 4)
	if n := other.CatchUp(t.Context(), 0); n != 1 || kept(t, in.db) != 4 {
		t.Errorf("the first replica brought %d, %d effects; want 1 and 4", n, kept(t, in.db))
	}
}

func TestReplicasCatchUpTogether(t *testing.T) {
	in, order, p := follower(t)
	order.tell(1, 200)
	brought := make([]int, 4)
	var wg sync.WaitGroup
	for i := range brought {
		replica := New(in.db, p, in.log)
		replica.handlers = in.handlers
		wg.Go(func() { brought[i] = replica.CatchUp(t.Context(), 0) })
	}
	wg.Wait()
	if n := kept(t, in.db); n != 200 {
		t.Errorf("%d effects of 200 events, brought %v", n, brought)
	}
}

func TestAProducerThatIsDownIsAskedAgain(t *testing.T) {
	in, order, p := follower(t)
	order.tell(1, 1)
	p.fail = errNo
	if n := in.CatchUp(t.Context(), 0); n != 0 {
		t.Errorf("brought %d", n)
	}
	p.fail = nil
	if n := in.CatchUp(t.Context(), 0); n != 1 {
		t.Errorf("once it is back: brought %d, want 1", n)
	}
}

// Deaf: nothing delivered for a minute while the feed had something. The sidecar is restarted, at most once in five
// minutes.
func TestAStalledSidecarIsRestarted(t *testing.T) {
	in, order, p := follower(t)
	now := in.started
	in.now = func() time.Time { return now }
	told := 0
	for _, step := range []struct {
		why   string
		after time.Duration
		push  bool // the broker delivers one
		lose  bool // the broker loses one
		want  int  // restarts so far
	}{
		{"it has just started", 30 * time.Second, false, true, 0},
		{"a minute, but nothing was lost", 31 * time.Second, false, false, 0},
		{"a minute, and something was lost", time.Second, false, true, 1},
		{"it was restarted just now", 2 * time.Minute, false, true, 1},
		{"five minutes later it is still stalled", 3 * time.Minute, false, true, 2},
		{"it hears again", 6 * time.Minute, true, false, 2},
		{"one event is lost, others come", 30 * time.Second, false, true, 2},
	} {
		now = now.Add(step.after)
		if step.push || step.lose {
			told++
			order.tell(told, told)
		}
		if step.push {
			receive(t, in, order.bodies()[told-1])
		}
		if n := in.CatchUp(t.Context(), 0); (n == 1) != step.lose {
			t.Errorf("%s: the feed brought %d", step.why, n)
		}
		if p.shutdowns != step.want {
			t.Errorf("%s: %d restarts, want %d", step.why, p.shutdowns, step.want)
		}
	}
}

// Run tries again by itself, and ends when it is told to.
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
		return keep(ctx, db, e.N)
	})
	produce(t, p, "order")
	receive(t, in, wire(t, newID(), 1))
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { in.Run(ctx) })
	await(t, "the retry", func() bool { return kept(t, db) == 1 })
	stop()
	run.Wait()
	if all := rows(t, db); all[0].Status != "done" || all[0].Attempts != 2 {
		t.Errorf("row %+v, want it done in two attempts", all[0])
	}
}

// However many rows there are, a batch reads those it removes, by the index of their age.
func TestRetentionReadsWhatItRemoves(t *testing.T) {
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
		t.Errorf("one batch reads %v rows by %v; want twice 5,000 and the parked ones, by the index", plan.Rows, plan.Scans)
	}
	if err := purgeHandled.Run(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.Raw("SELECT count(*) FROM inbox").Scan(&left).Error; err != nil || left != 48003 {
		t.Errorf("%d rows are left, %v; want 48,000 young ones and 3 that wait", left, err)
	}
}
