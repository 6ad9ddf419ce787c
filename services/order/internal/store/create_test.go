package store_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

// crowd places all drafts at the same time, and returns their errors.
func crowd(t *testing.T, orders *order.Service, drafts []order.Draft) []error {
	t.Helper()
	errs := make([]error, len(drafts))
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i, d := range drafts {
		wg.Go(func() {
			<-begin
			o, err := orders.Place(t.Context(), d)
			if errs[i] = err; err != nil {
				return
			}
			stored, err := orders.Find(t.Context(), d.ID)
			if err != nil || !reflect.DeepEqual(stored.Snapshot(), o.Snapshot()) {
				t.Errorf("order %s was answered as %+v and is stored as %+v, %v", d.ID, o.Snapshot(), stored, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	return errs
}

// Orders that arrive while a statement runs share the next one. A statement that waits for a lock does not hold up the
// others.
func TestOrdersThatArriveTogetherShareAStatement(t *testing.T) {
	db, orders := open(t)
	blocker := db.Begin()
	if err := blocker.Exec("INSERT INTO order_ids (order_id, fenced) VALUES (5000, true)").Error; err != nil {
		t.Fatal(err)
	}
	var first sync.WaitGroup
	var firstErr error
	first.Go(func() { _, firstErr = orders.Place(t.Context(), draft("5000", "4")) })
	postgrestest.AwaitLockWait(t, db)
	var drafts []order.Draft
	for i := range 60 {
		drafts = append(drafts, capped(fmt.Sprint(6000+i), fmt.Sprint(100+i), 3))
	}
	for i, err := range crowd(t, orders, drafts) {
		if err != nil {
			t.Errorf("order %s: %v", drafts[i].ID, err)
		}
	}
	if n := count(t, db, "(SELECT DISTINCT xmin::text FROM orders) AS transactions"); n > 20 {
		t.Errorf("60 orders were placed by %d statements", n)
	}
	if n := count(t, db, "(SELECT key FROM outbox GROUP BY key HAVING count(*) = 1) AS told"); n != 60 {
		t.Errorf("%d orders with one event, want 60", n)
	}
	if err := blocker.Rollback().Error; err != nil {
		t.Fatal(err)
	}
	if first.Wait(); firstErr != nil {
		t.Errorf("the order that waited for a lock: %v", firstErr)
	}
}

// What one statement does with orders: those that it must not write together, and all if it fails, go alone.
func TestWhatAStatementDoesWithOrders(t *testing.T) {
	broken := draft("105", "16")
	broken.Lines[0].Name = "a text that PostgreSQL does not take: \x00"
	for _, c := range []struct {
		what   string
		drafts []order.Draft
		want   []string
		orders int64
	}{
		{"two shoppers", []order.Draft{draft("102", "12"), draft("101", "11")}, []string{"placed", "placed"}, 2},
		{"one shopper", []order.Draft{capped("101", "11", 2), capped("102", "12", 2), capped("103", "11", 2)},
			[]string{"placed", "placed", "alone"}, 2},
		{"one id", []order.Draft{draft("101", "11"), draft("102", "12"), draft("101", "13")},
			[]string{"placed", "placed", "alone"}, 2},
		{"a taken id, a fenced id, and a shopper with too many orders",
			[]order.Draft{draft("1", "11"), draft("2", "12"), capped("103", "7", 1), capped("104", "14", 1)},
			[]string{"taken", "taken", "fenced", "placed"}, 1},
		{"a broken order", []order.Draft{draft("101", "11"), broken, draft("102", "12")},
			[]string{"alone", "alone", "alone"}, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			db, orders := open(t)
			if _, err := orders.Place(t.Context(), draft("1", "7")); err != nil {
				t.Fatal(err)
			}
			if _, err := orders.Fence(t.Context(), "2"); err != nil {
				t.Fatal(err)
			}
			s := store.New(db, outbox.New(db, "order", nil, slog.Default()))
			if got := s.PlaceTogether(t.Context(), c.drafts...); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if n := count(t, db, "orders"); n != 1+c.orders {
				t.Errorf("%d orders, want %d more", n, c.orders)
			}
			if n := count(t, db, "outbox JOIN orders ON key = orders.id::text"); n != 1+c.orders {
				t.Errorf("%d events of orders, want %d more", n, c.orders)
			}
		})
	}
}

// An order whose id another transaction holds delays the others of its statement for a moment only.
func TestAnOrderThatWaitsForALockGoesAlone(t *testing.T) {
	db, orders := open(t)
	blocker := db.Begin()
	if err := blocker.Exec("INSERT INTO order_ids (order_id, fenced) VALUES (102, true)").Error; err != nil {
		t.Fatal(err)
	}
	s := store.New(db, outbox.New(db, "order", nil, slog.Default()))
	got := s.PlaceTogether(t.Context(), draft("101", "11"), draft("102", "12"), draft("103", "13"))
	if want := []string{"alone", "alone", "alone"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var waiting sync.WaitGroup
	var err error
	waiting.Go(func() { _, err = orders.Place(t.Context(), draft("102", "12")) })
	postgrestest.AwaitLockWait(t, db)
	if rollback := blocker.Rollback().Error; rollback != nil {
		t.Fatal(rollback)
	}
	if waiting.Wait(); err != nil {
		t.Errorf("alone it waits for the lock: %v", err)
	}
}

// Whatever arrives together, each order gets the answer that it would get alone.
func TestACrowdGetsTheAnswersOfSingleOrders(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			db, orders := open(t)
			random := rand.New(rand.NewPCG(seed, 1))
			most := random.Int64N(4)
			want := map[string]int{} // answers by their code
			var drafts []order.Draft
			add := func(answer string, d order.Draft) {
				want[answer]++
				drafts = append(drafts, d)
			}
			id := 1000
			placed, broken := 0, map[order.ID]bool{}
			for shopper := range 8 {
				user := fmt.Sprint(10 + shopper)
				for i := range random.IntN(6) {
					id++
					d := capped(fmt.Sprint(id), user, most)
					if most > 0 && int64(i) >= most {
						add("too_many_open_orders", d)
					} else {
						add("", d)
						placed++
					}
				}
			}
			for i := range 6 {
				id++
				d := capped(fmt.Sprint(id), fmt.Sprint(100+i), most)
				switch i % 3 {
				case 0: // the same checkout twice
					add("", d)
					add("", d)
					placed++
				case 1:
					if _, err := orders.Fence(t.Context(), d.ID); err != nil {
						t.Fatal(err)
					}
					add("checkout_expired", d)
				case 2:
					d.Lines[0].Name = "a text that PostgreSQL does not take: \x00"
					broken[d.ID] = true
					drafts = append(drafts, d)
				}
			}
			random.Shuffle(len(drafts), func(i, j int) { drafts[i], drafts[j] = drafts[j], drafts[i] })
			got := map[string]int{}
			for i, err := range crowd(t, orders, drafts) {
				if broken[drafts[i].ID] {
					if err == nil {
						t.Errorf("order %s was placed", drafts[i].ID)
					}
					continue
				}
				if err != nil && problem.CodeOf(err) == "" {
					t.Errorf("order %s: %v", drafts[i].ID, err)
				}
				got[problem.CodeOf(err)]++
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("answers %v, want %v", got, want)
			}
			for what, n := range map[string]int{"orders": placed, "outbox": placed, "order_history": placed,
				"order_lines": 2 * placed} {
				if got := count(t, db, what); got != int64(n) {
					t.Errorf("%d %s, want %d", got, what, n)
				}
			}
		})
	}
}

// Two shoppers with one id: the first gets the order, the other a refusal.
func TestAnIDInACrowdIsOneOrder(t *testing.T) {
	db, orders := open(t)
	var drafts []order.Draft
	for i := range 40 {
		drafts = append(drafts, draft(fmt.Sprint(100+i/2), fmt.Sprint(7+i%2)))
	}
	got := map[string]int{}
	for _, err := range crowd(t, orders, drafts) {
		got[problem.CodeOf(err)]++
	}
	if want := map[string]int{"": 20, "order_id_taken": 20}; !reflect.DeepEqual(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	if n := count(t, db, "outbox"); n != 20 {
		t.Errorf("%d events, want 20", n)
	}
}
