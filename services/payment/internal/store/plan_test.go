package store_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
)

// Bills, attempts, refunds and disputes are kept forever, so no statement may read all of them: with many finished
// ones, live and archived, every statement uses an index. Some attempts wait for a provider that is not configured.
func TestNoStatementReadsAllPayments(t *testing.T) {
	d := open(t)
	n := postgrestest.Rows(t)
	young := ids.FirstAt(time.Now().Add(-24*time.Hour)) / 100 * 100
	for table, first := range map[string]int64{"": young, "archived_": 1000} {
		for _, sql := range []string{
			`INSERT INTO %sbills (order_id, user_id, amount, currency, due_at, status, version)
				SELECT i, 1000 + i %% 5000, 210, 'CNY', now(), CASE WHEN i %% 10 = 0 THEN 'refunded' ELSE 'paid' END, 2
				FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %spayments (id, order_id, user_id, provider, provider_id, amount, currency, status, card_brand,
				card_last4, created_at, updated_at, look_at)
				SELECT i, i, 1000 + i %% 5000, 'sandbox', 'sbx_' || i, 210, 'CNY', CASE WHEN i %% 10 = 0 THEN 'refunded'
				ELSE 'succeeded' END, 'visa', '4242', now(), now(), now()
				FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %srefunds (payment_id, amount, done_at, told_at, status, provider_refund_id, look_at)
				SELECT i, 210, now(), now(), 'succeeded', 're_' || i, 'infinity' FROM generate_series(?::bigint, ?, 10) i`,
		} {
			if err := d.db.Exec(fmt.Sprintf(sql, table), first, first+int64(n)-1).Error; err != nil {
				t.Fatal(err)
			}
		}
	}
	d.sql(d.db, "UPDATE refunds SET look_at = now() + interval '1 day' WHERE payment_id % 20 = 0")
	err := d.db.Exec(`INSERT INTO disputes (provider, id, charge_id, payment_id, amount, currency, reason, status, told_at)
		SELECT 'sandbox', 'dp_' || i, 'sbx_' || i, i, 210, 'CNY', 'fraudulent', 'lost', now()
		FROM generate_series(1000, 999 + ? / 10) i`, n).Error
	if err != nil {
		t.Fatal(err)
	}
	err = d.db.Exec("UPDATE payments SET status = 'processing', provider = 'gone' WHERE id BETWEEN ? AND ?", young,
		young+9).Error
	if err != nil {
		t.Fatal(err)
	}
	d.sql(d.db, "ANALYZE")
	watched := postgrestest.Watch(d.db)
	d.store = store.New(watched.DB, outbox.New(watched.DB, "payment", nil, slog.Default()))
	orders := &anOrder{payment.Bill{OrderID: "110", UserID: "7", Amount: 210, Currency: "CNY",
		DueAt: time.Now().Add(time.Minute), Status: payment.Open}}
	d.Service = payment.NewService(d.store, orders, nil, []payment.Provider{d.line}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	ctx := t.Context()
	for _, do := range []struct {
		what string
		do   func() error
	}{
		{"pay and refund", func() error {
			d.pay("1", d.bill("100"), "4242424242424242")
			if err := d.RequestRefund(ctx, "1", 210); err != nil {
				return err
			}
			return d.RefundDue(ctx)
		}},
		{"pay early", func() error {
			there, done := d.AwaitBill("110")
			defer done()
			if err := there(ctx); err != nil {
				return err
			}
			return d.OpenBill(ctx, "7", "110")
		}},
		{"the provider was unreachable", func() error {
			b := d.bill("101")
			d.line.failCreate = true
			d.pay("2", b, "4242424242424242")
			d.line.failCreate = false
			d.pay("2", b, sandbox.Declines)
			for _, before := range []string{"", "2"} {
				if _, err := d.ListOfOrder(ctx, "101", payment.Viewer{UserID: "7"}, before, 20); err != nil {
					return err
				}
			}
			return nil
		}},
		{"settle", func() error {
			b := d.bill("102")
			d.pay("3", b, sandbox.Unanswered)
			if _, _, err := d.store.CheckNow(ctx, "sandbox", "sbx_3", false); err != nil {
				return err
			}
			return d.SettleDue(ctx)
		}},
		{"require an action, close and expire", func() error {
			b := d.bill("103")
			d.pay("4", b, sandbox.Challenges)
			if err := d.store.ScheduleCheck(ctx, "4"); err != nil {
				return err
			}
			if err := d.CloseBill(ctx, b); err != nil {
				return err
			}
			return d.SettleDue(ctx)
		}},
		{"abandon", func() error {
			d.start("5", d.bill("104"), card("4242424242424242"))
			_, err := d.Cancel(ctx, "7", "5")
			return err
		}},
		{"refunds", func() error {
			for _, r := range []payment.Refund{{ID: "re_1", State: payment.RefundPending},
				{ID: "re_1", State: payment.RefundFailed, Reason: "declined"},
				{ID: "re_2", State: payment.RefundSucceeded}} {
				if err := d.store.KeepRefund(ctx, "3", r); err != nil {
					return err
				}
			}
			_, _, err := d.store.CheckNow(ctx, "sandbox", "sbx_3", true)
			return err
		}},
		{"disputes", func() error {
			_, err := d.store.KeepDispute(ctx, "sandbox", payment.Dispute{ID: "dp_1", ChargeID: "sbx_3", Currency: "CNY",
				Status: "needs_response", At: time.Now()})
			return err
		}},
		{"archive", func() error { return d.store.Archive(ctx, 0) }},
		{"health", func() error { _, err := d.Health(ctx); return err }},
	} {
		if err := do.do(); err != nil {
			t.Errorf("%s: %v", do.what, err)
		}
	}
	if watched.Seen() < 25 {
		t.Errorf("only %d statements were seen", watched.Seen())
	}
	for _, found := range watched.WholeTables(t, "bills", "payments", "refunds", "disputes", "archived_bills",
		"archived_payments", "archived_refunds") {
		t.Errorf("a statement reads all of %s", found)
	}
}

// After an outage of a provider thousands of attempts and refunds are due: a claim must read one of them, not all.
func TestAClaimReadsOneOfMany(t *testing.T) {
	d := open(t)
	n := postgrestest.Rows(t) / 5
	for _, sql := range []string{
		`INSERT INTO bills (order_id, user_id, amount, currency, due_at, status, version) SELECT i, 7, 210, 'CNY', now(),
			'open', 1 FROM generate_series(1, 2 * ?) i`,
		`INSERT INTO payments (id, order_id, user_id, provider, provider_id, amount, currency, status, card_brand, card_last4,
			created_at, updated_at, look_at)
			SELECT i, i, 7, 'sandbox', 'sbx_' || i, 210, 'CNY', CASE WHEN i % 2 = 0 THEN 'processing'
			ELSE 'succeeded' END, 'visa', '4242', now(), now(),
				now() - make_interval(secs => i / 10.0) FROM generate_series(1, 2 * ?) i`,
		`INSERT INTO refunds (payment_id, amount, look_at) SELECT i * 2 - 1, 210, now() - make_interval(secs => i / 10.0)
			FROM generate_series(1, ?) i`,
	} {
		if err := d.db.Exec(sql, n).Error; err != nil {
			t.Fatal(err)
		}
	}
	d.sql(d.db, "ANALYZE")
	for what, statement := range map[string]string{"settle": store.NextUnsettled, "refund": store.NextRefund} {
		plan := postgrestest.Explain(t, d.db, statement, "{sandbox,stripe}")
		if plan.Rows > 20 {
			t.Errorf("%s: %.0f rows were read for one of %d: %q", what, plan.Rows, n, plan.Scans)
		}
	}
}
