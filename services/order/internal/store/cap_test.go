package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

func count(t *testing.T, db *gorm.DB, from string) (n int64) {
	t.Helper()
	if err := db.Raw("SELECT count(*) FROM " + from).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// capped is a draft of a shopper who may have so many unpaid orders.
func capped(id, user string, most int64) order.Draft {
	d := draft(id, user)
	d.MaxOpen = most
	return d
}

// A shopper's checkouts at the same time, at several replicas, make no more unpaid orders than allowed.
func TestAShopperHasNoMoreOpenOrdersThanAllowed(t *testing.T) {
	for _, most := range []int64{1, 3, 20} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			db, orders := openWith(t, time.Minute, 0)
			var placed, refused atomic.Int64
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					_, err := orders.Place(t.Context(), capped(fmt.Sprint(1000+i), "7", most))
					switch problem.CodeOf(err) {
					case "":
						placed.Add(1)
					case "too_many_open_orders":
						refused.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if placed.Load() != most || refused.Load() != 50-most {
				t.Errorf("%d placed and %d refused, want %d and %d", placed.Load(), refused.Load(), most, 50-most)
			}
			if n := count(t, db, "orders WHERE status = 'awaiting_payment'"); n != most {
				t.Errorf("%d orders in the table, want %d", n, most)
			}
			if n := count(t, db, "outbox"); n != most {
				t.Errorf("%d events, want %d", n, most)
			}
			if _, err := orders.Place(t.Context(), capped("2000", "8", most)); err != nil {
				t.Errorf("another shopper: %v", err)
			}
		})
	}
}

// The refusal names the limit and until when; the id is fenced, because its stock will be released.
func TestTheRefusalOfTooManyOpenOrders(t *testing.T) {
	_, orders := openWith(t, time.Minute, 5*time.Second)
	first, err := orders.Place(t.Context(), capped("100", "7", 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Place(t.Context(), capped("101", "7", 2)); err != nil {
		t.Fatal(err)
	}
	until := first.Snapshot().PaymentDueAt.Add(5 * time.Second).Truncate(time.Second)
	for _, try := range []string{"the first run", "a second run"} {
		_, err = orders.Place(t.Context(), capped("102", "7", 2))
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != "too_many_open_orders" || p.Kind != problem.Conflict || p.Limit == nil ||
			*p.Limit != (problem.Limit{Name: "checkout.max_open_orders", Most: 2, Used: 2, Until: until}) ||
			p.RetryAfter <= 0 || p.RetryAfter > 65*time.Second {
			t.Fatalf("%s: %v, %+v; want too_many_open_orders until %s", try, err, p, until)
		}
	}
	// A repetition of a checkout that succeeded is none that is refused.
	if _, err := orders.Place(t.Context(), capped("101", "7", 2)); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := orders.Cancel(t.Context(), "100", "7", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Place(t.Context(), capped("102", "7", 2)); problem.CodeOf(err) != "checkout_expired" {
		t.Errorf("the refused id after a slot is free: %v, want checkout_expired", err)
	}
	if _, err := orders.Place(t.Context(), capped("103", "7", 2)); err != nil {
		t.Errorf("a new id after a slot is free: %v", err)
	}
}

// Whatever ends an order frees its slot, and a changed cap applies at once, also to orders without a slot.
func TestWhatFreesASlot(t *testing.T) {
	most := int64(0)
	db, orders := openWith(t, time.Millisecond, 0)
	id := 100
	place := func(want string) {
		t.Helper()
		id++
		if _, err := orders.Place(t.Context(), capped(fmt.Sprint(id), "7", most)); problem.CodeOf(err) != want {
			t.Fatalf("order %d under a cap of %d: %v, want %q", id, most, err, want)
		}
	}
	for range 3 {
		place("") // without a slot
	}
	most = 3
	place("too_many_open_orders")
	most = 4
	place("")
	place("too_many_open_orders")
	if err := orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: "101",
		Payment: order.Payment{ID: "9", Amount: 255, Currency: "CNY"}}); err != nil {
		t.Fatal(err)
	}
	place("")
	most = 2
	place("too_many_open_orders")
	if err := orders.CancelOutOfStock(t.Context(), "102"); err != nil {
		t.Fatal(err)
	}
	place("too_many_open_orders")
	if n, err := orders.CancelDue(t.Context()); err != nil || n != 3 {
		t.Fatalf("%d due orders cancelled, %v", n, err)
	}
	place("")
	place("")
	place("too_many_open_orders")
	if n := count(t, db, "orders WHERE status = 'awaiting_payment' AND open_slot IN (1, 2)"); n != 2 {
		t.Errorf("%d open orders with a slot of the cap, want 2", n)
	}
}

// A connection plans the statement of a new order once, perhaps while there are hardly any orders. That plan must not
// read the open orders of all shoppers later, when there are many.
func TestAnEarlyPlanReadsOnlyTheShoppersOrders(t *testing.T) {
	for _, early := range []int{0, 300} {
		t.Run(fmt.Sprint(early), func(t *testing.T) { testEarlyPlan(t, early) })
	}
}

func testEarlyPlan(t *testing.T, early int) {
	t.Helper()
	db, orders := openWith(t, time.Hour, 0)
	const (
		count = `EXECUTE count_open ('[{"shopper": 7, "most": 50}, {"shopper": 1008, "most": 50}]')`
		more  = `INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('id', n, 'user_id', n,
			'open_slot', n %% 50))).* FROM orders o, generate_series(%d, %d) n WHERE o.id = 1`
		read = "SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'orders'"
	)
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, tx *gorm.DB) error {
		run := func(statements ...string) (err error) {
			for _, sql := range statements {
				err = errors.Join(err, tx.Exec(sql).Error)
			}
			return err
		}
		if _, err := orders.Place(ctx, draft("1", "7")); err != nil {
			return err
		}
		if err := run("SET LOCAL plan_cache_mode = force_generic_plan", fmt.Sprintf(more, 2, 1+early),
			`PREPARE count_open (jsonb) AS WITH wish AS MATERIALIZED (
				SELECT most, shopper FROM jsonb_to_recordset($1) AS w(shopper bigint, most bigint)
			) SELECT * FROM wish, `+store.CountOpen, count, fmt.Sprintf(more, 1001, 4000)); err != nil {
			return err
		}
		var before, after int
		err := errors.Join(tx.Raw(read).Scan(&before).Error, run(count, "DEALLOCATE count_open"),
			tx.Raw(read).Scan(&after).Error)
		if after-before > 10 {
			t.Errorf("%d orders were read to count those of two shoppers", after-before)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
