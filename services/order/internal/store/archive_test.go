package store_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

// archiveAll archives all finished orders and returns how many orders are live afterwards.
func archiveAll(t *testing.T, db *gorm.DB) (live int) {
	t.Helper()
	s := store.New(db, outbox.New(db, "order", nil, slog.Default()))
	if err := s.Archive(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := db.Raw("SELECT count(*) FROM orders").Scan(&live).Error; err != nil {
		t.Fatal(err)
	}
	return live
}

// An archived order is shown and listed as before, and late events take effect once: no second order is created under
// its id, no payment is refunded twice, and its fence holds.
func TestAnArchivedOrderIsStillAnOrder(t *testing.T) {
	db, orders := open(t)
	ctx, d := t.Context(), draft("100", "7")
	for _, id := range []order.ID{"100", "101"} {
		d.ID = id
		if _, err := orders.Place(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	if exists, err := orders.Fence(ctx, "102"); err != nil || exists {
		t.Fatalf("fence: %v, %v", exists, err)
	}
	if _, err := orders.Cancel(ctx, "100", "7", ""); err != nil {
		t.Fatal(err)
	}
	late := order.PaymentReceived{OrderID: "100", Payment: order.Payment{ID: "9", Amount: 255, Currency: "CNY"}}
	want := events(t, db, "100")
	for _, step := range []struct {
		what      string
		do        func() error
		published []string // events published by this step
	}{
		{"placed again", func() error {
			d.ID = "100"
			o, err := orders.Place(ctx, d)
			if err == nil && o.Snapshot().Status != order.Cancelled {
				err = fmt.Errorf("it is %s", o.Snapshot().Status)
			}
			return err
		}, nil},
		{"paid late", func() error { return orders.ApplyPayments(ctx, late) }, []string{"mall.order.refund-requested.v1"}},
		{"the same again", func() error { return orders.ApplyPayments(ctx, late) }, nil},
		{"money back", func() error { return orders.MarkRefunded(ctx, "100", "9") }, nil},
		{"fenced", func() error {
			if exists, err := orders.Fence(ctx, "100"); err != nil || !exists {
				return fmt.Errorf("the order exists: %v, %w", exists, err)
			}
			return nil
		}, nil},
		{"placed after its fence", func() error {
			d.ID = "102"
			if _, err := orders.Place(ctx, d); problem.CodeOf(err) != "checkout_expired" {
				return fmt.Errorf("want checkout_expired: %w", err)
			}
			return nil
		}, nil},
		{"its buyer anonymized", func() error { return orders.AnonymizeBuyer(ctx, "7") }, nil},
	} {
		if live := archiveAll(t, db); live != 1 { // the order that awaits payment
			t.Fatalf("before %q %d orders are live", step.what, live)
		}
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		if want = append(want, step.published...); fmt.Sprint(events(t, db, "100")) != fmt.Sprint(want) {
			t.Errorf("%s: events %v, want %v", step.what, events(t, db, "100"), want)
		}
	}
	archiveAll(t, db)
	o, err := orders.Show(ctx, "100", order.Viewer{UserID: "7"})
	if err != nil {
		t.Fatal(err)
	}
	if s := o.Snapshot(); s.Status != order.Refunded || len(s.Lines) != 2 || len(s.History) != 3 ||
		s.Address.Recipient != "-" {
		t.Errorf("archived: %+v", s)
	}
	for status, n := range map[order.Status]int{"": 2, order.Refunded: 1} {
		if list, err := orders.List(ctx, "7", status, "", 20); err != nil || len(list) != n || n == 2 &&
			list[0].Snapshot().ID != "101" {
			t.Errorf("list %q: %d orders, %v; want %d, the newest first", status, len(list), err, n)
		}
	}
}

// Late payments arrive while the order is being archived, many times over: each is refunded once, and the order exists
// once.
func TestALatePaymentRacesWithTheArchive(t *testing.T) {
	db, orders := open(t)
	ctx := t.Context()
	first := ids.FirstAt(time.Now().Add(-2 * 365 * 24 * time.Hour))
	for i := range int64(20) {
		d := draft(strconv.FormatInt(first+i, 10), "7")
		if _, err := orders.Place(ctx, d); err != nil {
			t.Fatal(err)
		}
		if _, err := orders.Cancel(ctx, d.ID, "7", ""); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				err := orders.ApplyPayments(ctx, order.PaymentReceived{OrderID: d.ID,
					Payment: order.Payment{ID: "9" + string(d.ID[8:]), Amount: 255, Currency: "CNY"}})
				if err != nil {
					t.Errorf("pay: %v", err)
				}
			})
		}
		wg.Go(func() { archiveAll(t, db) })
		wg.Wait()
		var n struct{ Orders, Refunds, Lines int }
		err := db.Raw("SELECT count(*) AS orders, (SELECT count(*) FROM all_order_refunds WHERE order_id = id) AS refunds, "+
			"(SELECT count(*) FROM all_order_lines WHERE order_id = id) AS lines FROM all_orders WHERE id = ? GROUP BY id",
			d.ID).Scan(&n).Error
		if err != nil || n.Orders != 1 || n.Refunds != 1 || n.Lines != 2 {
			t.Fatalf("%+v, %v", n, err)
		}
	}
}

// Names are also removed from an order that is being moved into the archive: anonymizing waits for the move.
func TestABuyerIsAnonymizedWhileTheOrderIsArchived(t *testing.T) {
	db, orders := open(t)
	ctx := t.Context()
	if _, err := orders.Place(ctx, draft("100", "7")); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Cancel(ctx, "100", "7", ""); err != nil {
		t.Fatal(err)
	}
	moving := db.Begin()
	defer moving.Rollback()
	if err := store.MoveAll(moving); err != nil { // as the archiver does before its commit
		t.Fatal(err)
	}
	forgotten := make(chan error, 1)
	go func() { forgotten <- orders.AnonymizeBuyer(ctx, "7") }()
	postgrestest.AwaitLockWait(t, db)
	if err := moving.Commit().Error; err != nil {
		t.Fatal(err)
	}
	if err := <-forgotten; err != nil {
		t.Fatal(err)
	}
	var names []string
	err := db.Raw("SELECT recipient FROM all_orders WHERE user_id = 7").Scan(&names).Error
	if err != nil || fmt.Sprint(names) != "[-]" {
		t.Errorf("recipients %q, %v", names, err)
	}
}
