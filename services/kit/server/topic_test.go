package server

import (
	"context"
	"fmt"
	"log/slog"
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

func TestTopicsAnswerTheBroker(t *testing.T) {
	d := open(t)
	db := postgrestest.Open(t, inbox.Migrations)
	in := inbox.New(db, nil, slog.New(slog.DiscardHandler))
	inbox.On(in, "order", "mall.order.placed.v1", func(_ context.Context, e fact) error {
		if e.N == 0 {
			return errSecret
		}
		return nil
	})
	d.s.Topics(in)
	event := func(id string, n int) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"order","type":"mall.order.placed.v1","data":{"n":%d}}`, id, n)
	}
	for id, n := range map[string]int{"good": 1, "bad": 0} {
		if a := d.ask("POST", "/events/order-placed", event(id, n)); a.status != 200 || a.body != `{"status":"SUCCESS"}` {
			t.Errorf("%s event: %d %s, want it acknowledged", id, a.status, a.body)
		}
	}
	if g, b := status(t, db, "good"), status(t, db, "bad"); g != "done" || b != "parked" {
		t.Errorf("good is %s, bad is %s", g, b)
	}
	d.ask("POST", "/events/order-placed", event("forged", 1), callerHeader+": cart").want(t, "a peer's event", 403, "caller_not_allowed")
	d.ask("POST", "/events/order-placed", event("forged", 1), "-"+tokenHeader).want(t, "a stranger's event", 403, "not_through_sidecar")
	d.ask("POST", "/events/order-paid", event("other", 1)).want(t, "a route nobody handles", 404, "not_found")
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
	d.ask("POST", "/events/order-placed", event("late", 1)).want(t, "no database to park in", 500, "internal")
}

func TestTheFeedIsForSubscribers(t *testing.T) {
	d := open(t)
	db := postgrestest.Open(t, outbox.Migrations)
	out := outbox.New(db, "order", nil, slog.New(slog.DiscardHandler))
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		return out.Add(ctx, outbox.Event{Topic: "mall.orders", Type: "mall.order.placed.v1", Key: "1", Version: 1, Data: fact{1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	d.s.Feed(out, "product", "cart")
	if a := d.ask("GET", "/events?after=0&limit=5&min_age_ms=0", "", callerHeader+": cart"); a.status != 200 || a.body != `{"events":[],"next":0,"head":0}` {
		t.Errorf("feed: %d %s; want nothing before the relay has numbered it", a.status, a.body)
	}
	d.ask("GET", "/events", "", callerHeader+": payment").want(t, "not a subscriber", 403, "caller_not_allowed")
	d.ask("GET", "/events?after=x&limit=0", "", callerHeader+": cart").want(t, "bad query", 422, "validation_failed")
	if err := db.Exec("UPDATE outbox_head SET purged_through = 5").Error; err != nil {
		t.Fatal(err)
	}
	d.ask("GET", "/events?after=4", "", callerHeader+": cart").want(t, "a position that is gone", 410, "feed_gone")
}
