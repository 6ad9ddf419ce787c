package outbox

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
)

func TestEventsOfARolledBackTransactionAreNotPublished(t *testing.T) {
	o, db, b := open(t)
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		if err := o.Add(ctx, event(1)); err != nil {
			return err
		}
		return problem.New(problem.Conflict, "", "no")
	})
	if problem.KindOf(err) != problem.Conflict {
		t.Fatalf("transaction: %v", err)
	}
	add(t, o, 2, 2)
	number(t, o)
	if _, err := o.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := feed(t, o, Query{})
	if n, _ := b.count(); n != 1 || len(page.Events) != 1 {
		t.Fatalf("broker took %d events, feed has %d, want the committed one", n, len(page.Events))
	}
	var e CloudEvent
	if err := json.Unmarshal(page.Events[0].Event, &e); err != nil || string(e.Data) != `{"n":2}` || e.ID != b.took[0] ||
		e.Source != "order" || e.Subject != "k" {
		t.Errorf("feed: %s, %v; want the event that was published, %v", page.Events[0].Event, err, b.took)
	}
}

// A page is never larger than a caller can read, however large the orders in it are: otherwise nobody could read past
// it.
func TestAPageOfLargeEventsIsShorter(t *testing.T) {
	o, db, _ := open(t)
	const events, size = 20, 1 << 20
	err := db.Exec(`INSERT INTO outbox (id, topic, type, key, aggregate_version, payload)
		SELECT 'e' || n, 't', 'y', 'k', 1, '"' || repeat('x', ?) || '"' FROM generate_series(1, ?) n`, size, events).Error
	if err != nil {
		t.Fatal(err)
	}
	number(t, o)
	got := 0
	for after := int64(0); after < events; {
		page := feed(t, o, Query{After: after})
		text, err := json.Marshal(page)
		if err != nil || len(text) > 8<<20 || len(page.Events) == 0 {
			t.Fatalf("after %d: %d events of %d bytes, %v", after, len(page.Events), len(text), err)
		}
		got, after = got+len(page.Events), page.Next
	}
	if got != events {
		t.Errorf("%d of %d events were read", got, events)
	}
}

// An event whose transaction got a sequence number early and commits late is placed after the events numbered
// meanwhile, so followers do not miss it.
func TestLateCommitsAreNeverSkipped(t *testing.T) {
	o, db, _ := open(t)
	early := db.Begin()
	if err := early.Exec(
		`INSERT INTO outbox (id, topic, type, key, aggregate_version, payload) VALUES ('early', 't', 'y', 'k', 1, '{}')`).
		Error; err != nil {
		t.Fatal(err)
	}
	add(t, o, 1, 3)
	number(t, o)
	first := feed(t, o, Query{})
	if len(first.Events) != 3 || first.Next != 3 || first.Head != 3 {
		t.Fatalf("feed before the late commit: %+v, want three events", first)
	}
	if err := early.Commit().Error; err != nil {
		t.Fatal(err)
	}
	number(t, o)
	if next := feed(t, o, Query{After: first.Next}); len(next.Events) != 1 || string(next.Events[0].Event) != "{}" ||
		next.Next != 4 {
		t.Errorf("after position %d: %+v, want the late event at 4", first.Next, next)
	}
}

// In whatever order transactions begin, commit, roll back and are numbered: positions in the feed are 1, 2, 3 … without
// gaps, no event gets a position below one that was already read, and a follower sees every committed event once.
func TestAFollowerSeesEveryCommitOnce(t *testing.T) {
	o, db, _ := open(t)
	if err := flag.Set("rapid.checks", "30"); err != nil { // each check runs several dozen transactions
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		if err := db.Exec("TRUNCATE outbox; UPDATE outbox_head SET pos = 0, purged_through = 0").Error; err != nil {
			rt.Fatal(err)
		}
		var open []*gorm.DB
		var ids []string
		committed, seen := map[string]bool{}, map[string]bool{}
		var cursor, made int64
		follow := func() {
			p, err := o.Feed(rt.Context(), Query{After: cursor, Limit: 3})
			if err != nil {
				rt.Fatal(err)
			}
			for _, item := range p.Events {
				var id string
				if err := json.Unmarshal(item.Event, &id); err != nil || !committed[id] || seen[id] || item.Pos != cursor+1 {
					rt.Fatalf("position %d after %d: event %s, committed %v, seen %v, %v", item.Pos, cursor, item.Event, committed[id],
						seen[id], err)
				}
				seen[id], cursor = true, item.Pos
			}
			if p.Next != cursor {
				rt.Fatalf("next is %d, want %d", p.Next, cursor)
			}
		}
		defer func() {
			for _, tx := range open {
				tx.Rollback()
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"begin": func(rt *rapid.T) {
				if len(open) == 6 {
					rt.Skip("enough transactions are open")
				}
				made++
				tx, id := db.Begin(), fmt.Sprint(made)
				if err := tx.Exec(`INSERT INTO outbox (id, topic, type, key, aggregate_version, payload)
					VALUES (?, 't', 'y', 'k', 1, ?)`, id, `"`+id+`"`).Error; err != nil {
					rt.Fatal(err)
				}
				open, ids = append(open, tx), append(ids, id)
			},
			"end": func(rt *rapid.T) {
				if len(open) == 0 {
					rt.Skip("no transaction is open")
				}
				i := rapid.IntRange(0, len(open)-1).Draw(rt, "which")
				if rapid.Bool().Draw(rt, "commit") {
					committed[ids[i]] = open[i].Commit().Error == nil
				} else {
					open[i].Rollback()
				}
				open, ids = append(open[:i:i], open[i+1:]...), append(ids[:i:i], ids[i+1:]...)
			},
			"number": func(rt *rapid.T) {
				if err := o.assignPositions(rt.Context(), 0); err != nil {
					rt.Fatal(err)
				}
			},
			"follow": func(*rapid.T) { follow() },
		})
		if err := o.assignPositions(rt.Context(), 0); err != nil {
			rt.Fatal(err)
		}
		for range len(committed) {
			follow()
		}
		if len(seen) != len(committed) {
			rt.Fatalf("the follower saw %d of %d events", len(seen), len(committed))
		}
	})
}

// Two replicas number events while many writers commit: no event is numbered twice or left out.
func TestReplicasNumberTogether(t *testing.T) {
	o, db, _ := open(t)
	other := New(db, "order", nil, o.log)
	var writers, numberers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for _, replica := range []*Outbox{o, other} {
		numberers.Go(func() {
			for ctx.Err() == nil {
				if err := replica.assignPositions(t.Context(), 0); err != nil {
					t.Errorf("number: %v", err)
					return
				}
			}
		})
	}
	for w := range 6 {
		writers.Go(func() { add(t, o, w*20+1, w*20+20) })
	}
	writers.Wait()
	stop()
	numberers.Wait()
	number(t, o)
	page := feed(t, o, Query{})
	if len(page.Events) != 120 || page.Head != 120 {
		t.Fatalf("feed has %d events, head %d, want 120", len(page.Events), page.Head)
	}
	for i, e := range page.Events {
		if e.Pos != int64(i+1) {
			t.Fatalf("event %d is at position %d", i+1, e.Pos)
		}
	}
}

// When a process dies while numbering, its numbers are rolled back, and the next one assigns them again without a gap.
func TestACrashWhileNumberingLeavesNoGap(t *testing.T) {
	o, db, _ := open(t)
	add(t, o, 1, 2)
	number(t, o)
	add(t, o, 3, 4)
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		if err := New(postgres.DB(ctx, db), "order", nil, o.log).assignPositions(ctx, 0); err != nil {
			return err
		}
		return problem.New(problem.Internal, "", "killed")
	})
	if problem.KindOf(err) != problem.Internal {
		t.Fatalf("the transaction that dies: %v", err)
	}
	if p := feed(t, o, Query{}); len(p.Events) != 2 || p.Head != 2 {
		t.Errorf("after its death: %d events, head %d; want 2 and 2", len(p.Events), p.Head)
	}
	number(t, o)
	if p := feed(t, o, Query{After: 2}); len(p.Events) != 2 || p.Events[0].Pos != 3 || p.Head != 4 {
		t.Errorf("after the next one: %+v; want 3 and 4", p)
	}
}

// Young events are left to the broker, and with them all events after them.
func TestTheFeedLeavesYoungEventsToTheBroker(t *testing.T) {
	o, db, _ := open(t)
	add(t, o, 1, 3)
	number(t, o)
	if err := db.Exec("UPDATE outbox SET created_at = now() - interval '1 minute' WHERE pos <> 2").Error; err != nil {
		t.Fatal(err)
	}
	p := feed(t, o, Query{MinAge: 10 * time.Second})
	if len(p.Events) != 1 || p.Next != 1 || p.Head != 3 {
		t.Errorf("feed of older than 10 s: %d events, next %d, head %d; want 1, 1, 3", len(p.Events), p.Next, p.Head)
	}
	if p := feed(t, o, Query{Limit: 2}); len(p.Events) != 2 || p.Next != 2 {
		t.Errorf("feed of two: %+v", p)
	}
}

// Retention removes events that were published long ago. A consumer whose position is before them is told so, instead
// of getting a feed with a hole.
func TestTheFeedRefusesAPositionBeforeWhatRetentionRemoved(t *testing.T) {
	o, db, _ := open(t)
	add(t, o, 1, 4)
	number(t, o)
	if _, err := o.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := db.Exec(`UPDATE outbox SET created_at = now() - interval '15 days' WHERE pos <= 3;
		UPDATE outbox SET published_at = NULL WHERE pos = 3`).Error
	if err != nil {
		t.Fatal(err)
	}
	if err := o.purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[int64]string{0: "feed_gone", 1: "feed_gone", 2: "", 3: ""} {
		_, err := o.Feed(t.Context(), Query{After: after, Limit: 10})
		if problem.CodeOf(err) != want {
			t.Errorf("feed after %d: %v, want %q", after, err, want)
		}
	}
	if p := feed(t, o, Query{After: 2}); len(p.Events) != 2 || p.Events[0].Pos != 3 {
		t.Errorf("feed after 2: %+v; want 3, which is old but was never published, and 4", p)
	}
	if _, err := o.Feed(t.Context(), Query{Limit: 1}); problem.KindOf(err) != problem.Gone {
		t.Errorf("kind %q, want gone", problem.KindOf(err))
	}
}

// However many events a service publishes, one round of retention removes all old ones, even those after an event that
// was never published.
func TestRetentionKeepsUpWithABusyService(t *testing.T) {
	o, db, _ := open(t)
	err := db.Exec(`INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, pos, published_at, created_at)
		SELECT n, 't', 'y', 'k', 1, '{}', n, CASE WHEN n <> 7 THEN now() END, now() - CASE WHEN n <= ? THEN interval '15 days'
		ELSE interval '1 day' END
		FROM generate_series(1, ?) n`, 2*purgeBatch+1, 2*purgeBatch+3).Error
	if err == nil {
		err = db.Exec("UPDATE outbox_head SET pos = ?", 2*purgeBatch+3).Error
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := o.purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "true"); n != 3 {
		t.Errorf("%d events are left, want the 2 young ones and the one that was not published", n)
	}
	if p, err := o.Feed(t.Context(), Query{After: 2*purgeBatch + 1, Limit: 10}); err != nil || len(p.Events) != 2 {
		t.Errorf("the feed after them: %+v, %v", p, err)
	}
}

func TestFeedQueriesAreParsed(t *testing.T) {
	parse := func(query string) (Query, error) {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		return ParseQuery(values.Get)
	}
	if q, err := parse(""); err != nil || q != (Query{Start: true, Limit: 500}) {
		t.Errorf("empty: %+v, %v", q, err)
	}
	want := Query{After: 7, AfterID: "e7", Limit: 20, MinAge: 1500 * time.Millisecond}
	if q, err := parse("after=7&after_id=e7&limit=20&min_age_ms=1500"); err != nil || q != want {
		t.Errorf("full: %+v, %v", q, err)
	}
	for _, bad := range []string{"after=-1", "after=x", "limit=0", "limit=1001", "min_age_ms=-5",
		"after=9223372036854775808"} {
		if _, err := parse(bad); problem.CodeOf(err) != "validation_failed" {
			t.Errorf("%q: %v, want validation_failed", bad, err)
		}
	}
}

// After its database was restored, or a lagging replica took over, a producer has lost events that consumers have read,
// and gives their positions to others. The consumer's position is refused, whether the new history is shorter, as long
// or longer.
func TestAPositionOfAnotherHistoryIsRefused(t *testing.T) {
	o, db, _ := open(t)
	add(t, o, 1, 5)
	number(t, o)
	seen := feed(t, o, Query{Limit: 5})
	id := func(pos int64) string {
		t.Helper()
		var e CloudEvent
		if err := json.Unmarshal(seen.Events[pos-1].Event, &e); err != nil {
			t.Fatal(err)
		}
		return e.ID
	}
	if p := feed(t, o, Query{After: 5, AfterID: id(5)}); len(p.Events) != 0 || p.Next != 5 {
		t.Errorf("a position of this history: %+v", p)
	}
	// the database is restored
	if err := db.Exec("DELETE FROM outbox WHERE pos > 3; UPDATE outbox_head SET pos = 3").Error; err != nil {
		t.Fatal(err)
	}
	refused := func(when string) {
		t.Helper()
		if _, err := o.Feed(t.Context(), Query{After: 5, AfterID: id(5), Limit: 10}); problem.CodeOf(err) != "feed_forked" {
			t.Errorf("%s: %v, want feed_forked", when, err)
		}
		if p := feed(t, o, Query{After: 3, AfterID: id(3), Limit: 10}); len(p.Events) != int(p.Head)-3 {
			t.Errorf("%s: %+v; want all events after the position that both histories have", when, p)
		}
	}
	refused("the new history is shorter")
	add(t, o, 6, 7)
	number(t, o)
	refused("the new history is as long")
	add(t, o, 8, 9)
	number(t, o)
	refused("the new history is longer")
	if p := feed(t, o, Query{Start: true}); len(p.Events) != 7 || p.Events[0].Pos != 1 {
		t.Errorf("from the start: %+v, want all seven", p)
	}
}

// After retention, a consumer at the position just before the feed's first event is still checked for another history.
// A consumer without a position begins with the first event that is kept.
func TestAPositionJustBeforeTheFeedsFirstEventIsChecked(t *testing.T) {
	o, db, _ := open(t)
	add(t, o, 1, 4)
	number(t, o)
	publish(t, o)
	var id string
	if err := db.Raw("SELECT id FROM outbox WHERE pos = 3").Scan(&id).Error; err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("UPDATE outbox SET created_at = now() - interval '15 days' WHERE pos <= 3").Error; err != nil {
		t.Fatal(err)
	}
	if err := o.purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for afterID, want := range map[string]string{id: "", "": "", "another": "feed_forked"} {
		if _, err := o.Feed(t.Context(), Query{After: 3, AfterID: afterID, Limit: 10}); problem.CodeOf(err) != want {
			t.Errorf("feed after 3 with event %q: %v, want %q", afterID, err, want)
		}
	}
	if p := feed(t, o, Query{Start: true}); len(p.Events) != 1 || p.Events[0].Pos != 4 {
		t.Errorf("from the start: %+v, want the remaining event", p)
	}
}

// Retention may remove events while a page is read: the page is complete or refused, never with a hole.
func TestRetentionCannotPunchAHoleIntoAPage(t *testing.T) {
	o, db, _ := open(t)
	add(t, o, 1, 4)
	number(t, o)
	publish(t, o)
	if err := db.Exec("UPDATE outbox SET created_at = now() - interval '15 days' WHERE pos <= 3").Error; err != nil {
		t.Fatal(err)
	}
	var purging atomic.Bool // the purge reads rows itself
	err := db.Callback().Row().After("gorm:row").Register("purge meanwhile", func(*gorm.DB) {
		if purging.CompareAndSwap(false, true) {
			if err := o.purge(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.Feed(t.Context(), Query{Limit: 10})
	if err == nil && (len(p.Events) == 0 || p.Events[0].Pos != 1) {
		t.Errorf("a page that skips what was removed: %+v", p)
	}
	if _, err := o.Feed(t.Context(), Query{Limit: 10}); problem.CodeOf(err) != "feed_gone" {
		t.Errorf("the page after that: %v, want feed_gone", err)
	}
}
