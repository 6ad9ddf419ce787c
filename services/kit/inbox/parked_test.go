package inbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"daprmall.dev/services/kit/inbox/parked"
	"daprmall.dev/services/kit/outbox"
)

// openParked returns an inbox with parked events, whose handler fails until the returned function is called.
func openParked(t *testing.T, ids ...string) (*Inbox, *sql.DB, func()) {
	t.Helper()
	in, db, _ := open(t)
	fails := true
	On(in, "order", kind, func(ctx context.Context, e fact) error {
		if fails {
			return errNo
		}
		return recordEffect(ctx, db, e.N)
	})
	for i, id := range ids {
		receive(t, in, eventBody(t, id, i+1))
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	return in, pool, func() { fails = false }
}

func TestParkedEventsAreListedInPages(t *testing.T) {
	in, pool, _ := openParked(t, "a", "b", "c")
	traced, err := json.Marshal(outbox.CloudEvent{SpecVersion: "1.0", ID: "d", Source: "order", Type: kind, Subject: "7",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Data: json.RawMessage(`{"n":4}`)})
	if err != nil {
		t.Fatal(err)
	}
	receive(t, in, traced)
	if err := in.Receive(t.Context(), []byte("nonsense"))[0]; err != nil {
		t.Fatal(err)
	}
	var found []parked.Event
	for after := (parked.Cursor{}); ; {
		page, err := parked.List(t.Context(), pool, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, page...)
		if len(page) < 2 {
			break
		}
		after = parked.Cursor{Since: page[1].Since, ID: page[1].ID}
	}
	if len(found) != 5 {
		t.Fatalf("%d events in pages of 2, want 5: %v", len(found), found)
	}
	ids := map[string]parked.Event{}
	for _, e := range found {
		ids[e.ID] = e
	}
	if e := ids["d"]; e.TraceID != "0af7651916cd43dd8448eb211c80319c" || e.Key != "7" || e.Source != "order" ||
		e.Attempts != 1 || !strings.Contains(e.Reason, errNo.Error()) {
		t.Errorf("an event is shown as %+v", e)
	}
	if !slices.ContainsFunc(found, func(e parked.Event) bool { return strings.HasPrefix(e.ID, "unreadable:") }) {
		t.Error("the event that cannot be read is not shown")
	}
}

func TestAParkedEventIsRetriedOrDropped(t *testing.T) {
	in, pool, mend := openParked(t, "a", "b")
	ctx := t.Context()
	mend()
	if err := parked.Drop(ctx, pool, "a", " not needed "); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ err, want error }{
		"a second drop":             {parked.Drop(ctx, pool, "a", "another reason"), parked.ErrDropped},
		"retry of a dropped event":  {parked.Retry(ctx, pool, "a"), parked.ErrDropped},
		"retry of an unknown event": {parked.Retry(ctx, pool, "x"), parked.ErrUnknown},
		"retry of a parked event":   {parked.Retry(ctx, pool, "b"), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	if err := in.retryDue(ctx); err != nil {
		t.Fatal(err)
	}
	if err := parked.Drop(ctx, pool, "b", "too late"); !errors.Is(err, parked.ErrHandled) {
		t.Errorf("drop of a handled event: %v", err)
	}
	for _, r := range rows(t, in.db) {
		if r.ID == "a" && (r.Status != "dropped" || !strings.HasPrefix(r.Reason, "not needed (was: ")) ||
			r.ID == "b" && r.Status != "done" {
			t.Errorf("%+v", r)
		}
	}
	if n := effectCount(t, in.db); n != 1 {
		t.Errorf("%d effects, want that of the retried event only", n)
	}
}

// Of a drop and a retry at the same time one has an effect.
func TestADropAndARetryCannotBothSucceed(t *testing.T) {
	ids := make([]string, 40)
	for i := range ids {
		ids[i] = newID()
	}
	in, pool, mend := openParked(t, ids...)
	mend()
	if _, err := parked.RetryAll(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	dropped := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := in.retryDue(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for _, id := range slices.Backward(ids) { // the retrier begins at the other end
		switch err := parked.Drop(t.Context(), pool, id, "race"); {
		case err == nil:
			dropped++
		case !errors.Is(err, parked.ErrHandled):
			t.Error(err)
		}
	}
	wg.Wait()
	if n := effectCount(t, in.db); n+dropped != len(ids) {
		t.Errorf("%d effects and %d drops of %d events", n, dropped, len(ids))
	}
}
