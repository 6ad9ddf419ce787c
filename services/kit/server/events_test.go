package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

type fact struct {
	N int `json:"n"`
}

func status(t *testing.T, db *gorm.DB, id string) (status string) {
	t.Helper()
	if err := db.Raw("SELECT status FROM inbox WHERE id = ?", id).Scan(&status).Error; err != nil {
		t.Fatal(err)
	}
	return status
}

func TestDeliveredEventsAreAcknowledged(t *testing.T) {
	d := open(t)
	d.s.env.EventsToken = "t0"
	db := postgrestest.Open(t, inbox.Migrations)
	in := inbox.New(db, nil, slog.New(slog.DiscardHandler))
	inbox.On(in, "order", "mall.order.placed.v1", func(_ context.Context, e fact) error {
		if e.N == 0 {
			return errSecret
		}
		return nil
	})
	d.s.ReceiveEvents(in)
	event := func(id string, n int) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"order","type":"mall.order.placed.v1","data":{"n":%d}}`, id,
			n)
	}
	for id, n := range map[string]int{"good": 1, "bad": 0} {
		if a := d.ask("POST", "/events/t0", event(id, n)); a.status != 200 || a.body != `{"status":"SUCCESS"}` {
			t.Errorf("%s event: %d %s, want it acknowledged", id, a.status, a.body)
		}
	}
	many := fmt.Sprintf(`{"id":"b","pubsubname":"events","topic":"mall-orders","type":"com.dapr.event.sent.bulk",
		"entries":[
		{"entryId":"1","event":%s,"contentType":"application/cloudevents+json"},
		{"entryId":"2","event":%s},{"entryId":"3","event":"nonsense"}]}`, event("third", 1), event("fourth", 0))
	if a := d.ask("POST", "/events/t0", many); a.status != 200 ||
		a.body != `{"statuses":[{"entryId":"1","status":"SUCCESS"},`+
			`{"entryId":"2","status":"SUCCESS"},{"entryId":"3","status":"SUCCESS"}]}` {
		t.Errorf("bulk: %d %s, want each acknowledged", a.status, a.body)
	}
	if a, b := status(t, db, "third"), status(t, db, "fourth"); a != "done" || b != "parked" {
		t.Errorf("of the bulk, the good one is %s, the bad one %s", a, b)
	}
	if a := d.ask("POST", "/events/t0", `{"entries":[]}`); a.status != 200 || a.body != `{"statuses":[]}` {
		t.Errorf("empty bulk: %d %s", a.status, a.body)
	}
	if g, b := status(t, db, "good"), status(t, db, "bad"); g != "done" || b != "parked" {
		t.Errorf("good is %s, bad is %s", g, b)
	}
	d.ask("POST", "/events/t0", event("forged", 1), callerHeader+": cart").want(t, "an event from another service", 403,
		"caller_not_allowed")
	d.ask("POST", "/events/t0", event("forged", 1), "-"+tokenHeader).want(t, "an event without token", 403,
		"not_through_sidecar")
	for _, path := range []string{"/events", "/events/", "/events/t1", "/events/order-placed"} {
		if a := d.ask("POST", path, event("forged", 1)); a.status != 404 && a.status != 405 {
			t.Errorf("an event at %s, without the token: %d %s", path, a.status, a.body)
		}
	}
	if s := status(t, db, "forged"); s != "" {
		t.Errorf("a forged event is %s", s)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	d.ask("POST", "/events/t0", event("late", 1)).want(t, "no database to park in", 500, "internal")
	if a := d.ask("POST", "/events/t0", `{"entries":[{"entryId":"1","event":`+event("late", 1)+`}]}`); a.status != 200 ||
		a.body != `{"statuses":[{"entryId":"1","status":"RETRY"}]}` {
		t.Errorf("a bulk without a database: %d %s, want RETRY", a.status, a.body)
	}
	// With the token one could pretend to be the sidecar.
	if a := d.ask("GET", "/metrics", "", "-"+tokenHeader); !strings.Contains(a.body, `route="/events/:token"`) ||
		strings.Contains(a.body, "/events/t0") {
		t.Error("the metrics do not name the route, or name its token")
	}
	if log := d.log.String(); !strings.Contains(log, "/events/:token") || strings.Contains(log, "/events/t0") {
		t.Errorf("the log does not name the route, or names its token:\n%s", log)
	}
}

func TestTheFeedIsOnlyForItsConsumers(t *testing.T) {
	d := open(t)
	db := postgrestest.Open(t, outbox.Migrations)
	out := outbox.New(db, "order", nil, slog.New(slog.DiscardHandler))
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		return out.Add(ctx, outbox.Event{Topic: "mall-orders", Type: "mall.order.placed.v1", Key: "1", Version: 1,
			Data: fact{1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	d.s.ServeFeed(out, "product", "cart")
	if a := d.ask("GET", "/events?after=0&limit=5&min_age_ms=0", "", callerHeader+": cart"); a.status != 200 ||
		a.body != `{"events":[],"next":0,"head":0}` {
		t.Errorf("feed: %d %s; want no event before the relay has numbered it", a.status, a.body)
	}
	d.ask("GET", "/events", "", callerHeader+": payment").want(t, "not a subscriber", 403, "caller_not_allowed")
	d.ask("GET", "/events?after=x&limit=0", "", callerHeader+": cart").want(t, "bad query", 422, "validation_failed")
	if err := db.Exec("UPDATE outbox_head SET pos = 5, purged_through = 5").Error; err != nil {
		t.Fatal(err)
	}
	d.ask("GET", "/events?after=4", "", callerHeader+": cart").want(t, "a position that is gone", 410, "feed_gone")
	d.ask("GET", "/events?after=6", "", callerHeader+": cart").want(t, "a position that does not exist yet", 409,
		"feed_forked")
}
