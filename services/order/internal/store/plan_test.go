package store_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

// Orders are kept forever, so no statement may read all of them: with many finished orders, live and archived, every
// statement uses an index.
func TestNoStatementReadsAllOrders(t *testing.T) {
	db := postgrestest.Open(t, outbox.Migrations, store.Migrations)
	contractstest.CheckEventsAtEnd(t, db, "order")
	n := postgrestest.Rows(t)
	young := ids.FirstAt(time.Now().Add(-24 * time.Hour))
	for table, first := range map[string]int64{"": young, "archived_": 1000} {
		for _, sql := range []string{
			`INSERT INTO %sorders (id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal,
				shipping, total, currency,
				from_cart, payment_due_at, payment_id, created_at, updated_at, version)
				SELECT i, 1000 + i %% 5000, 'paid', 'Li', '', '1 Road', 'Wuhan', 'Hubei', 'CN', '430000', 100, 0, 100, 'CNY', false,
				now(), 'p' || i, now(), now(), 2
				FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %sorder_lines SELECT i, 1, 11, 1000 + i %% 500, 'tea', 100, 1 FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %sorder_history (order_id, position, status, reason, at)
				SELECT i, 1, 'paid', '', now() FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %sorder_ids (order_id) SELECT i FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %sorder_refunds SELECT 'p' || i, i, 'cancelled', now() FROM generate_series(?::bigint, ?, 10) i`,
		} {
			if err := db.Exec(fmt.Sprintf(sql, table), first, first+int64(n)-1).Error; err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Exec("ANALYZE").Error; err != nil {
		t.Fatal(err)
	}
	watched := postgrestest.Watch(db)
	s := store.New(watched.DB, outbox.New(watched.DB, "order", nil, slog.Default()))
	orders := order.NewService(s, nil, func() time.Duration { return time.Minute }, func() time.Duration { return 0 })
	ctx, me := t.Context(), order.Viewer{UserID: "7"}
	pay := func(id order.ID, amount int64) error {
		return orders.ApplyPayments(ctx, order.PaymentReceived{OrderID: id,
			Payment: order.Payment{ID: "9" + string(id), Amount: amount, Currency: "CNY"}})
	}
	for what, do := range map[string]func() error{
		"place, pay, show, list": func() error {
			if _, err := orders.Place(ctx, draft("100", "7")); err != nil {
				return err
			}
			if err := pay("100", 255); err != nil {
				return err
			}
			for _, status := range []order.Status{"", "paid"} {
				if _, err := orders.List(ctx, "1007", status, order.ID(strconv.FormatInt(young+9000, 10)), 20); err != nil {
					return err
				}
			}
			for _, before := range []order.ID{"", order.ID(strconv.FormatInt(young+9000, 10))} {
				if sold, err := orders.ListSold(ctx, "1003", order.Paid, before, 20); err != nil || len(sold) != 20 {
					return fmt.Errorf("%d orders were sold: %w", len(sold), err)
				}
			}
			_, err := orders.Show(ctx, "100", me)
			return err
		},
		"change, cancel, pay late, refund": func() error {
			d := draft("101", "7")
			if _, err := orders.Place(ctx, d); err != nil {
				return err
			}
			if _, err := orders.ChangeAddress(ctx, "101", "7", d.Address); err != nil {
				return err
			}
			if _, err := orders.Cancel(ctx, "101", "7", ""); err != nil {
				return err
			}
			if err := pay("101", 255); err != nil {
				return err
			}
			return orders.MarkRefunded(ctx, "101", "9101")
		},
		"place under a cap": func() error {
			for _, id := range []string{"110", "111", "111"} { // the second is refused, also when it is repeated
				_, err := orders.Place(ctx, capped(id, "9", 1))
				if id == "110" && err != nil || id == "111" && problem.CodeOf(err) != "too_many_open_orders" {
					return fmt.Errorf("place %s: %w", id, err)
				}
			}
			return nil
		},
		"follow": func() error {
			cursor, err := s.Cursor(ctx)
			if err == nil {
				_, err = orders.Changes(ctx, cursor)
			}
			return err
		},
		"fence":     func() error { _, err := orders.Fence(ctx, "102"); return err },
		"deadlines": func() error { _, err := orders.CancelDue(ctx); return err },
		"out of stock": func() error {
			if _, err := orders.Place(ctx, draft("103", "7")); err != nil {
				return err
			}
			return orders.CancelOutOfStock(ctx, "103")
		},
		"archive":          func() error { return s.Archive(ctx, 0) },
		"anonymize buyers": func() error { return orders.AnonymizeBuyer(ctx, "1008") },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if watched.Seen() < 12 {
		t.Errorf("only %d statements were seen", watched.Seen())
	}
	for _, found := range watched.WholeTables(t, "orders", "order_lines", "order_history", "order_ids", "order_refunds",
		"archived_orders", "archived_order_lines", "archived_order_history", "archived_order_ids", "archived_order_refunds") {
		t.Errorf("a statement reads all of %s", found)
	}
}
