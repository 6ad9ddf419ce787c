package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// Two replicas, or the broker and the feed in one, handle batches of two types that name the same keys in opposite
// order. The transactions must not deadlock, whether the rows exist or are inserted.
func TestBatchesOfMixedTypesDoNotDeadlock(t *testing.T) {
	const first, second = "mall.order.placed.v1", "mall.order.paid.v1"
	_, db, p := open(t)
	deadlocks := postgrestest.Deadlocks(t, db)
	replicas := []*Inbox{New(db, p, slog.New(slog.DiscardHandler)), New(db, p, slog.New(slog.DiscardHandler))}
	for _, in := range replicas {
		for _, kind := range []string{first, second} {
			On(in, "order", kind, func(ctx context.Context, e fact) error { return add(ctx, db, e.N) })
		}
	}
	began := time.Now()
	const rounds, half = 20, 40
	for round := range rounds {
		var wg sync.WaitGroup
		for i, in := range replicas {
			types := []string{first, second}
			if i == 1 {
				types[0], types[1] = second, first
			}
			batch := make([]*delivery, 2*half)
			for n := range batch {
				batch[n] = deliveryOf(t, types[n/half], round*len(batch)+n)
			}
			wg.Go(func() { in.handleBatch(t.Context(), batch) })
		}
		wg.Wait()
	}
	t.Logf("%d events in %v, %d deadlocks", 2*rounds*2*half, time.Since(began).Round(time.Millisecond), deadlocks.Load())
	var total int
	if err := db.Raw("SELECT sum(value) FROM state").Scan(&total).Error; err != nil || total != 2*rounds*2*half {
		t.Errorf("%d effects, %v; want one for each of %d events", total, err, 2*rounds*2*half)
	}
	if n := deadlocks.Load(); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// add is an effect on the row of an event's key, which the first one inserts.
func add(ctx context.Context, db *gorm.DB, n int) error {
	return postgres.DB(ctx, db).Exec(
		`INSERT INTO state VALUES (?, 1, 1) ON CONFLICT (key) DO UPDATE SET value = state.value + 1`, fmt.Sprint(n)).Error
}

func deliveryOf(t *testing.T, eventType string, n int) *delivery {
	t.Helper()
	raw := []byte(strings.Replace(string(eventBody(t, newID(), n)), kind, eventType, 1))
	e, err := unwrap(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &delivery{event: e, raw: raw, via: "push", done: make(chan error, 1)}
}
