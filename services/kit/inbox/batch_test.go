package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gorm.io/gorm"
)

// deliverTogether delivers bodies while the handler of another event is blocked, so that they are handled in one batch.
func deliverTogether(t *testing.T, in *Inbox, began, goOn chan struct{}, bodies [][]byte) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { receive(t, in, eventBody(t, newID(), 0)) })
	<-began
	for _, b := range bodies {
		wg.Go(func() { receive(t, in, b) })
	}
	await(t, "all wait", func() bool {
		in.mu.Lock()
		defer in.mu.Unlock()
		return len(in.waiting) == len(bodies)
	})
	close(goOn)
	wg.Wait()
}

// blockFirst returns a handler whose first call waits until goOn is closed.
func blockFirst(h func(ctx context.Context, e fact) error) (began, goOn chan struct{},
	handle func(ctx context.Context, e fact) error) {
	began, goOn = make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(began); <-goOn })
	return began, goOn, func(ctx context.Context, e fact) error {
		first()
		return h(ctx, e)
	}
}

func transactions(t *testing.T, db *gorm.DB) int {
	t.Helper()
	var n int
	if err := db.Raw("SELECT count(DISTINCT xmin::text) FROM inbox").Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// Events that wait share a transaction. Copies among them count once, and known events are skipped.
func TestEventsThatWaitShareATransaction(t *testing.T) {
	in, db, _ := open(t)
	began, goOn, h := blockFirst(func(ctx context.Context, e fact) error { return recordEffect(ctx, db, e.N) })
	On(in, "order", kind, h)
	known := eventBody(t, newID(), 99)
	if err := db.Exec(`INSERT INTO inbox (id, source, type, status, via) VALUES (?, 'order', ?, 'parked', 'push')`,
		idOf(t, known), kind).Error; err != nil {
		t.Fatal(err)
	}
	bodies := [][]byte{known}
	for n := 1; n <= 30; n++ {
		b := eventBody(t, newID(), n)
		bodies = append(bodies, b, b)
	}
	deliverTogether(t, in, began, goOn, bodies)
	// One for the known event, one for the first, one for all that waited.
	if n := transactions(t, db); effectCount(t, db) != 31 || n != 3 {
		t.Errorf("%d effects in %d transactions, want 31 in 3", effectCount(t, db), n)
	}
}

func idOf(t *testing.T, body []byte) string {
	t.Helper()
	e, err := unwrap(body)
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// An event that fails, in whatever way, does not affect the others of its batch.
func TestAFailingEventDoesNotAffectItsBatch(t *testing.T) {
	for name, fail := range map[string]func(db *gorm.DB) error{
		"error":       func(*gorm.DB) error { return errNo },
		"panic":       func(*gorm.DB) error { panic("boom") },
		"broken SQL":  func(db *gorm.DB) error { return db.Exec("SELECT 1/0").Error },
		"undecodable": nil,
	} {
		t.Run(name, func(t *testing.T) {
			in, db, _ := open(t)
			began, goOn, h := blockFirst(func(ctx context.Context, e fact) error {
				if e.N == 7 {
					return fail(db)
				}
				return recordEffect(ctx, db, e.N)
			})
			On(in, "order", kind, h)
			var bodies [][]byte
			for n := 1; n <= 20; n++ {
				b := eventBody(t, newID(), n)
				if n == 7 && fail == nil {
					b = []byte(strings.Replace(string(b), `"n":7`, `"n":"seven"`, 1))
				}
				bodies = append(bodies, b)
			}
			deliverTogether(t, in, began, goOn, bodies)
			parked := 0
			for _, r := range rows(t, db) {
				if r.Status == "parked" {
					parked++
				}
			}
			if effectCount(t, db) != 20 || parked != 1 {
				t.Errorf("%d effects, %d parked; want 20 and 1", effectCount(t, db), parked)
			}
		})
	}
}

// Events are handled in the order of their keys, so that handlers in all replicas lock rows in the same order.
func TestABatchIsHandledInTheOrderOfKeys(t *testing.T) {
	in, db, _ := open(t)
	var mu sync.Mutex
	var order []int
	began, goOn, h := blockFirst(func(_ context.Context, e fact) error {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, e.N)
		return nil
	})
	On(in, "order", kind, h)
	var bodies [][]byte
	for _, n := range []int{5, 3, 9, 1, 7} {
		bodies = append(bodies, eventBody(t, newID(), n))
	}
	deliverTogether(t, in, began, goOn, bodies)
	if !slices.Equal(order, []int{0, 1, 3, 5, 7, 9}) {
		t.Errorf("handled in the order %v; rows %+v", order, rows(t, db))
	}
}

func TestABatchHandlerGetsAllWaitingEvents(t *testing.T) {
	in, db, _ := open(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	OnAll(in, "order", kind, func(ctx context.Context, events []fact) error {
		if calls.Add(1) == 1 {
			close(began)
			<-goOn
		}
		for _, e := range events {
			if err := recordEffect(ctx, db, e.N); err != nil {
				return err
			}
		}
		return nil
	})
	var bodies [][]byte
	for n := range 20 {
		bodies = append(bodies, eventBody(t, newID(), n))
	}
	deliverTogether(t, in, began, goOn, bodies)
	if calls.Load() != 2 || effectCount(t, db) != 21 {
		t.Errorf("%d calls, %d effects; want one call for the first and one for the 20 that waited", calls.Load(),
			effectCount(t, db))
	}
}

// Of detached effects in one batch, those that succeeded are recorded and not repeated; the one that failed is parked.
func TestDetachedEffectsOfABatchAreRecordedOneByOne(t *testing.T) {
	in, db, _ := open(t)
	var mu sync.Mutex
	times := map[int]int{}
	began, goOn, h := blockFirst(func(_ context.Context, e fact) error {
		mu.Lock()
		defer mu.Unlock()
		times[e.N]++
		if e.N == 3 {
			return errNo
		}
		return nil
	})
	OnDetached(in, "order", kind, h)
	var bodies [][]byte
	for n := 1; n <= 5; n++ {
		bodies = append(bodies, eventBody(t, newID(), n))
	}
	deliverTogether(t, in, began, goOn, bodies)
	status := map[string]int{}
	for _, r := range rows(t, db) {
		status[r.Status]++
	}
	if fmt.Sprint(times) != "map[0:1 1:1 2:1 3:2 4:1 5:1]" || status["done"] != 5 || status["parked"] != 1 {
		t.Errorf("calls %v, rows %v; want each once, the failing one again alone, and that one parked", times, status)
	}
}

// Deliveries are refused, not left waiting, when events can be neither handled nor parked.
func TestABatchWithoutADatabaseIsRefused(t *testing.T) {
	in, db, _ := open(t)
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	began, goOn, h := blockFirst(func(context.Context, fact) error { return errors.Join(errNo, pool.Close()) })
	On(in, "order", kind, h)
	var wg sync.WaitGroup
	outcomes := make([]error, 10)
	for i := range outcomes {
		wg.Go(func() { outcomes[i] = in.Receive(t.Context(), eventBody(t, newID(), i))[0] })
	}
	<-began
	close(goOn)
	wg.Wait()
	for i, err := range outcomes {
		if err == nil {
			t.Errorf("delivery %d was acknowledged without a database", i)
		}
	}
}

// A bulk delivery shares a transaction, too. Unreadable events in it are parked, types without a handler are ignored.
func TestABulkIsHandledInOneTransaction(t *testing.T) {
	in, db, _ := open(t)
	On(in, "order", kind, func(ctx context.Context, e fact) error { return recordEffect(ctx, db, e.N) })
	var bodies [][]byte
	for n := range 10 {
		bodies = append(bodies, eventBody(t, newID(), n))
	}
	bodies[3] = []byte("{")
	bodies[5] = []byte(strings.Replace(string(bodies[5]), kind, "mall.order.paid.v1", 1))
	for i, err := range in.Receive(t.Context(), bodies...) {
		if err != nil {
			t.Errorf("delivery %d: %v", i, err)
		}
	}
	if n := transactions(t, db); effectCount(t, db) != 8 || len(rows(t, db)) != 9 || n != 2 {
		t.Errorf("%d effects, %d rows in %d transactions; want 8 in one, and one parked", effectCount(t, db),
			len(rows(t, db)), n)
	}
}
