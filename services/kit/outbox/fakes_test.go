package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/sidecar"
)

// broker is a fake that records what it accepted, in order, and can refuse entries.
type broker struct {
	mu     sync.Mutex
	took   []string
	times  map[string]int
	before func(topic string, entries []sidecar.Entry) (map[string]bool, error)
}

func (b *broker) Publish(_ context.Context, topic string, entries []sidecar.Entry) (map[string]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	refused := map[string]bool{}
	if b.before != nil {
		var err error
		if refused, err = b.before(topic, entries); err != nil {
			return nil, err
		}
	}
	if b.times == nil {
		b.times = map[string]int{}
	}
	for _, e := range entries {
		if !refused[e.ID] {
			b.took = append(b.took, e.ID)
			b.times[e.ID]++
		}
	}
	return refused, nil
}

func (b *broker) count() (events, deliveries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.times), len(b.took)
}

var errDown = errors.New("broker is down")

func open(t *testing.T) (*Outbox, *gorm.DB, *broker) {
	t.Helper()
	db := postgrestest.Open(t, Migrations)
	b := &broker{}
	return New(db, "order", b, slog.New(slog.DiscardHandler)), db, b
}

type fact struct {
	N int `json:"n"`
}

func event(n int) Event {
	return Event{Topic: "mall-orders", Type: "mall.order.placed.v1", Key: "k", Version: int64(n), Data: fact{n}}
}

// add commits events, each in its own transaction.
func add(t *testing.T, o *Outbox, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		err := postgres.InTx(t.Context(), o.db, func(ctx context.Context, _ *gorm.DB) error { return o.Add(ctx, event(n)) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func number(t *testing.T, o *Outbox) {
	t.Helper()
	if err := o.assignPositions(t.Context(), 0); err != nil {
		t.Fatalf("number: %v", err)
	}
}

func feed(t *testing.T, o *Outbox, q Query) Page {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 500
	}
	p, err := o.Feed(t.Context(), q)
	if err != nil {
		t.Fatalf("feed after %d: %v", q.After, err)
	}
	return p
}

// makeDue makes refused events due for another try.
func makeDue(t *testing.T, db *gorm.DB) {
	t.Helper()
	if err := db.Exec("UPDATE outbox SET claimed_until = now() - interval '1 second' WHERE published_at IS NULL").
		Error; err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *gorm.DB, where string) int {
	t.Helper()
	var n int
	if err := db.Raw("SELECT count(*) FROM outbox WHERE " + where).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}
