package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/telemetry"
)

func TestAnEventTakesEffectOnce(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error { return recordEffect(ctx, db, e.N) })
	body := eventBody(t, newID(), 7)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { receive(t, in, body) })
	}
	wg.Wait()
	if all := rows(t, db); effectCount(t, db) != 1 || len(all) != 1 || all[0].Status != "done" || all[0].Via != "push" ||
		all[0].Source != "order" {
		t.Errorf("20 deliveries at once: %d effects, rows %+v; want one of each", effectCount(t, db), all)
	}
}

// An effect without its row would be repeated, and a row without its effect would be lost.
func TestEffectAndRowCommitTogether(t *testing.T) {
	for name, c := range map[string]struct {
		fail   func() error
		reason string
	}{
		"error": {func() error { return errNo }, "not now"},
		"panic": {func() error { panic("boom") }, "panic: boom"},
	} {
		t.Run(name, func(t *testing.T) {
			in, db, _ := open(t)
			broken := true
			On(in, "order", kind, func(ctx context.Context, e fact) error {
				if err := recordEffect(ctx, db, e.N); err != nil {
					return err
				}
				if broken {
					return c.fail()
				}
				return nil
			})
			body := eventBody(t, newID(), 7)
			receive(t, in, body)
			receive(t, in, body)
			all := rows(t, db)
			if effectCount(t, db) != 0 || len(all) != 1 || all[0].Status != "parked" ||
				!strings.HasPrefix(all[0].Reason, c.reason) ||
				all[0].Payload == nil || *all[0].Payload != string(body) {
				t.Fatalf("after a failure: %d effects, rows %+v; want none, and the event parked with its reason",
					effectCount(t, db), all)
			}
			retry(t, in)
			if all := rows(t, db); effectCount(t, db) != 0 || all[0].Status != "parked" || all[0].Attempts != 2 ||
				all[0].Waits < 1 ||
				all[0].Waits > 5 {
				t.Errorf("after a second failure: %d effects, rows %+v; want it parked for some seconds more", effectCount(t, db),
					all)
			}
			broken = false
			retry(t, in)
			if all := rows(t, db); effectCount(t, db) != 1 || all[0].Status != "done" || all[0].Attempts != 3 ||
				all[0].Payload != nil {
				t.Errorf("once it can be handled: %d effects, rows %+v; want one, done", effectCount(t, db), all)
			}
			receive(t, in, body)
			if effectCount(t, db) != 1 {
				t.Error("a late copy had an effect")
			}
		})
	}
}

// The pauses between retries grow to five minutes and stay there.
func TestPausesBetweenRetriesGrow(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(context.Context, fact) error { return errNo })
	receive(t, in, eventBody(t, newID(), 1))
	var waits []int
	for range 11 {
		retry(t, in)
		waits = append(waits, int(rows(t, db)[0].Waits+0.5))
	}
	if want := []int{2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300}; !slices.Equal(waits, want) {
		t.Errorf("seconds between tries: %v, want %v", waits, want)
	}
}

// Two replicas and the broker deliver the same parked event at the same time: it is handled once.
func TestAParkedEventIsRetriedOnce(t *testing.T) {
	in, db, p := open(t)
	other := New(db, p, in.log)
	var broken atomic.Bool
	broken.Store(true)
	for _, replica := range []*Inbox{in, other} {
		On(replica, "order", kind, func(ctx context.Context, e fact) error {
			if broken.Load() {
				return errNo
			}
			return recordEffect(ctx, db, e.N)
		})
	}
	var bodies [][]byte
	for n := range 20 {
		bodies = append(bodies, eventBody(t, newID(), n))
		receive(t, in, bodies[n])
	}
	broken.Store(false)
	if err := db.Exec("UPDATE inbox SET next_try_at = now()").Error; err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, replica := range []*Inbox{in, other} {
		wg.Go(func() {
			if err := replica.retryDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for _, b := range bodies {
				receive(t, replica, b)
			}
		})
	}
	wg.Wait()
	if n := effectCount(t, db); n != 20 {
		t.Errorf("%d effects of 20 events", n)
	}
}

// Unreadable events are parked, where operators see them, and acknowledged: repeating the delivery would not help.
func TestUnreadableEventsAreParked(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error { return recordEffect(ctx, db, e.N) })
	whole := eventBody(t, newID(), 1)
	bad := [][]byte{whole[:len(whole)/2], []byte("null"), []byte("[]"), nil, []byte(`{"specversion":"1.0"}`),
		[]byte("\x00\xff{"),
		[]byte(strings.Replace(string(whole), `"n":1`, `"n":"one"`, 1))}
	for _, b := range bad {
		receive(t, in, b)
		receive(t, in, b)
	}
	retry(t, in)
	all := rows(t, db)
	if len(all) != len(bad) || effectCount(t, db) != 0 {
		t.Errorf("%d unreadable bodies: %d rows, %d effects", len(bad), len(all), effectCount(t, db))
	}
	for _, r := range all {
		if r.Status != "parked" || r.Reason == "" || r.Payload == nil || r.Attempts != 2 {
			t.Errorf("row %+v; want it parked with reason and payload, and tried again", r)
		}
	}
}

func TestTypesWithoutAHandlerAreIgnored(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", "mall.order.paid.v1", func(ctx context.Context, e fact) error { return recordEffect(ctx, db, e.N) })
	receive(t, in, eventBody(t, newID(), 1))
	if all := rows(t, db); len(all) != 0 {
		t.Errorf("rows of an event without a handler: %+v", all)
	}
}

// Some brokers wrap the event in one of their own, dead letters are wrapped once more, and one broker quotes the event.
func TestWrappedEventsAreUnwrapped(t *testing.T) {
	wrap := func(data string) string {
		return `{"specversion":"1.0","id":"C0000202","source":"127.0.0.1:30911","type":"com.dapr.event.sent",` +
			`"datacontenttype":"application/json",` +
			`"SHARDING_KEY":"k2","data":` + data + `}`
	}
	quote := func(s string) string {
		q, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(q)
	}
	in, db, _ := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error { return recordEffect(ctx, db, e.N) })
	for n, around := range []func(string) string{
		func(e string) string { return e },
		wrap,
		func(e string) string { return wrap(wrap(e)) },
		func(e string) string { return wrap(quote(e)) },
		func(e string) string { return wrap(wrap(quote(e))) },
	} {
		id := newID()
		inner := string(eventBody(t, id, n))
		receive(t, in, []byte(around(inner)))
		if effectCount(t, db) != n+1 {
			t.Errorf("wrapping %d: the event was not found", n)
		}
		receive(t, in, []byte(inner))
		if all := rows(t, db); len(all) != n+1 || all[n].ID != id || all[n].Status != "done" || effectCount(t, db) != n+1 {
			t.Errorf("wrapping %d: rows %+v, %d effects; want the inner event once", n, all, effectCount(t, db))
		}
	}
}

// A delivery is refused only if the event could not be stored.
func TestOnlyAFailedParkingIsAnError(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(context.Context, fact) error { return errNo })
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	receive(t, in, eventBody(t, newID(), 1))
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{eventBody(t, newID(), 2), []byte("{")} {
		if err := in.Receive(t.Context(), body)[0]; err == nil {
			t.Errorf("receive %s without a database: acknowledged, want an error", body)
		}
	}
}

// An event is handled although the caller has disconnected.
func TestAnEventIsHandledAfterItsCallerDisconnected(t *testing.T) {
	in, db, _ := open(t)
	ctx, hangUp := context.WithCancel(t.Context())
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		hangUp()
		return recordEffect(ctx, db, e.N)
	})
	if err := in.Receive(ctx, eventBody(t, newID(), 1))[0]; err != nil {
		t.Errorf("receive: %v", err)
	}
	if all := rows(t, db); len(all) != 1 || all[0].Status != "done" || effectCount(t, db) != 1 {
		t.Errorf("rows %+v, %d effects; want the event handled", all, effectCount(t, db))
	}
}

// A detached effect is outside the database, so it happens before its row is written.
func TestDetachedEffectsComeBeforeTheirRow(t *testing.T) {
	in, db, _ := open(t)
	var calls, fail atomic.Int64
	fail.Store(1)
	OnDetached(in, "order", kind, func(ctx context.Context, e fact) error {
		if _, joined := postgres.DB(ctx, db).Statement.ConnPool.(interface{ Commit() error }); joined && calls.Load() == 0 {
			t.Error("the first run holds a transaction while it works elsewhere")
		}
		calls.Add(1)
		if fail.Load() == 1 {
			return errNo
		}
		return nil
	})
	body := eventBody(t, newID(), 1)
	receive(t, in, body)
	if all := rows(t, db); len(all) != 1 || all[0].Status != "parked" {
		t.Fatalf("after a failure: %+v, want it parked", all)
	}
	fail.Store(0)
	receive(t, in, body)
	if n := calls.Load(); n != 1 {
		t.Errorf("a copy of a parked event ran the handler: %d calls", n)
	}
	retry(t, in)
	receive(t, in, body)
	if all := rows(t, db); calls.Load() != 2 || all[0].Status != "done" {
		t.Errorf("%d calls, %+v; want one more, done", calls.Load(), all)
	}
}

// Every event is delivered three times, in any order, mixed with truncated ones: the state is the same as after one
// orderly run.
func TestDisorderAndDuplicatesLeaveTheSameState(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		key, version := e.N%10, e.N/10
		if version == 5 && rand.IntN(4) == 0 {
			return errNo // some events fail now and then
		}
		if err := recordEffect(ctx, db, e.N); err != nil {
			return err
		}
		return postgres.DB(ctx, db).Exec(`INSERT INTO state VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE
			SET version = excluded.version, value = excluded.value WHERE state.version < excluded.version`, fmt.Sprint(key),
			version, e.N*3).Error
	})
	var bodies [][]byte
	const events = 100
	for n := range events {
		b := eventBody(t, newID(), n)
		bodies = append(bodies, b, b, b)
		if n%5 == 0 {
			bodies = append(bodies, b[:rand.IntN(len(b))])
		}
	}
	rand.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < len(bodies); i += 4 {
				receive(t, in, bodies[i])
			}
		})
	}
	wg.Wait()
	parked := func() (n int) {
		for _, r := range rows(t, db) {
			if r.Status == "parked" && r.Type != "" {
				n++
			}
		}
		return n
	}
	for parked() > 0 {
		retry(t, in)
	}
	var state []struct{ Key, Version, Value int }
	if err := db.Raw("SELECT key::int, version, value FROM state ORDER BY key").Scan(&state).Error; err != nil {
		t.Fatal(err)
	}
	for i, s := range state {
		if s.Key != i || s.Version != 9 || s.Value != (90+i)*3 {
			t.Errorf("state %+v, want the newest of key %d", s, i)
		}
	}
	if len(state) != 10 || effectCount(t, db) != events {
		t.Errorf("%d keys, %d effects; want 10 and %d", len(state), effectCount(t, db), events)
	}
}

// The handler continues the trace of the request that caused the event.
func TestAHandlerContinuesTheTraceOfItsEvent(t *testing.T) {
	in, db, _ := open(t)
	got := ""
	On(in, "order", kind, func(ctx context.Context, _ fact) error { got = telemetry.TraceOf(ctx).ID; return nil })
	trace := telemetry.NewTrace()
	receive(t, in, withTrace(eventBody(t, newID(), 1), trace))
	if got != trace.ID {
		t.Errorf("trace %q, want %q; rows %+v", got, trace.ID, rows(t, db))
	}
}

// Events published about a key continue the trace of the event with that key, although many events are handled
// together.
func TestEventsOfABatchKeepTheirTraces(t *testing.T) {
	in, db, _ := open(t)
	if err := postgres.Migrate(t.Context(), db, outbox.Migrations); err != nil {
		t.Fatal(err)
	}
	out := outbox.New(db, "order", nil, in.log)
	began, goOn := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(began); <-goOn })
	OnAll(in, "order", kind, func(ctx context.Context, events []fact) error {
		first()
		var added []outbox.Event
		for _, e := range events {
			added = append(added, outbox.Event{Topic: "mall-orders", Type: "mall.order.paid.v1", Key: strconv.Itoa(e.N),
				Version: 2, Data: e})
		}
		return out.Add(ctx, added...)
	})
	var bodies [][]byte
	want := map[string]string{"0": ""}
	for n := 1; n <= 10; n++ {
		trace := telemetry.NewTrace()
		bodies = append(bodies, withTrace(eventBody(t, newID(), n), trace))
		want[strconv.Itoa(n)] = trace.Header()
	}
	deliverTogether(t, in, began, goOn, bodies)
	var rows []struct{ Key, Traceparent string }
	if err := db.Raw("SELECT key, traceparent FROM outbox").Scan(&rows).Error; err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows {
		got[r.Key] = r.Traceparent
	}
	if !maps.Equal(got, want) {
		t.Errorf("traces by key %v, want %v", got, want)
	}
}

func withTrace(body []byte, trace telemetry.Trace) []byte {
	return []byte(strings.Replace(string(body), `"data"`, `"traceparent":"`+trace.Header()+`","data"`, 1))
}
