package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
)

// shaky is the real sandbox behind a line that can break: before a call (nothing happened) or after it (nobody knows).
type shaky struct {
	*sandbox.Provider
	failCreate, failConfirm, failCancel, failRefund bool
}

func (s *shaky) Create(ctx context.Context, ref string, amount int64, currency string) (string, error) {
	if s.failCreate {
		return "", errors.New("no connection")
	}
	return s.Provider.Create(ctx, ref, amount, currency)
}

func (s *shaky) Confirm(ctx context.Context, id string, card payment.Card) (payment.Outcome, error) {
	if s.failConfirm {
		return payment.Outcome{}, errors.New("no connection")
	}
	return s.Provider.Confirm(ctx, id, card)
}

func (s *shaky) Cancel(ctx context.Context, id string) (payment.Outcome, error) {
	if s.failCancel {
		return payment.Outcome{}, errors.New("no connection")
	}
	return s.Provider.Cancel(ctx, id)
}

func (s *shaky) Refund(ctx context.Context, id, ref string, amount int64) (payment.Refund, error) {
	if s.failRefund {
		return payment.Refund{}, errors.New("no connection")
	}
	return s.Provider.Refund(ctx, id, ref, amount)
}

type noOrders struct{}

func (noOrders) Payable(context.Context, string) (*payment.Bill, error) { return nil, nil }

// anOrder is the order service with one payable order.
type anOrder struct {
	payment.Bill
}

func (o *anOrder) Payable(_ context.Context, id string) (*payment.Bill, error) {
	if id != o.OrderID {
		return nil, nil
	}
	return &o.Bill, nil
}

type fixture struct {
	*payment.Service
	t        *testing.T
	db, bank *gorm.DB
	line     *shaky
	store    *store.Store
}

func open(t *testing.T) fixture {
	t.Helper()
	db, bank := postgrestest.Open(t, outbox.Migrations, store.Migrations), postgrestest.Open(t, sandbox.Migrations)
	toldRight(t, db)
	line := &shaky{Provider: sandbox.New(bank)}
	s := store.New(db, outbox.New(db, "payment", nil, slog.Default()))
	service := payment.NewService(s, noOrders{}, nil, []payment.Provider{line}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	return fixture{service, t, db, bank, line, s}
}

func (d fixture) bill(order string) payment.Bill {
	d.t.Helper()
	b := payment.Bill{OrderID: order, UserID: "7", Amount: 210, Currency: "CNY", DueAt: time.Now().Add(time.Minute),
		Version: 1}
	if err := d.OpenBills(d.t.Context(), b); err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d fixture) status(order string) payment.BillStatus {
	d.t.Helper()
	var status payment.BillStatus
	if err := d.db.Raw("SELECT status FROM all_bills WHERE order_id = ?", order).Scan(&status).Error; err != nil {
		d.t.Fatal(err)
	}
	return status
}

func card(number string) payment.Card {
	return payment.Card{Number: number, ExpMonth: 12, ExpYear: 2030, CVC: "123"}
}

func (d fixture) start(id string, b payment.Bill, c payment.Card) *payment.Payment {
	d.t.Helper()
	p, resumed, err := d.Start(d.t.Context(), id, b.UserID, b.OrderID, &c)
	if err != nil || resumed {
		d.t.Fatalf("start %s: resumed %v, %v", id, resumed, err)
	}
	return p
}

// charge is what a request does with an attempt that it has started.
func (d fixture) charge(p *payment.Payment, c payment.Card) (*payment.Payment, error) {
	d.t.Helper()
	o, err := d.Charge(d.t.Context(), p, &c)
	if err != nil {
		return nil, err
	}
	return d.RecordOutcome(d.t.Context(), p.ID, o)
}

func (d fixture) pay(id string, b payment.Bill, number string) *payment.Payment {
	d.t.Helper()
	p, err := d.charge(d.start(id, b, card(number)), card(number))
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// later lets the settler's time come.
func (d fixture) later() {
	d.t.Helper()
	d.sql(d.db, "UPDATE payments SET look_at = now()")
	d.sql(d.bank, "UPDATE charges SET ready_at = now() WHERE ready_at IS NOT NULL")
	if err := d.SettleDue(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func (d fixture) sql(db *gorm.DB, text string) {
	d.t.Helper()
	if err := db.Exec(text).Error; err != nil {
		d.t.Fatal(err)
	}
}

// books compares what payment says with what the bank has: status, captured less refunded, events.
func (d fixture) books(id string, status payment.Status, net int64, events string) {
	d.t.Helper()
	p, err := d.store.Find(d.t.Context(), id)
	if err != nil || p.Status != status {
		d.t.Errorf("payment %s: %+v, %v; want %s", id, p, err, status)
	}
	var sum int64
	if err := d.bank.Raw("SELECT coalesce(sum(captured - refunded), 0)::bigint FROM charges").Scan(&sum).
		Error; err != nil || sum != net {
		d.t.Errorf("payment %s: the bank holds %d, %v; want %d", id, sum, err, net)
	}
	var types []string
	if err := d.db.Raw("SELECT type FROM outbox ORDER BY seq").Scan(&types).Error; err != nil ||
		fmt.Sprint(types) != events {
		d.t.Errorf("payment %s: events %v, %v; want %s", id, types, err, events)
	}
}

const succeeded = "[mall.payment.succeeded.v1]"

func TestEachCard(t *testing.T) {
	for number, want := range map[string]struct {
		now, then payment.Status
		code      string
		net       int64
		events    string
	}{
		"4242424242424242": {payment.Succeeded, payment.Succeeded, "", 210, succeeded},
		sandbox.Declines:   {payment.Failed, payment.Failed, "card_declined", 0, "[]"},
		sandbox.NoFunds:    {payment.Failed, payment.Failed, "insufficient_funds", 0, "[]"},
		sandbox.Unanswered: {payment.Processing, payment.Succeeded, "", 210, succeeded},
		sandbox.Slow:       {payment.Processing, payment.Succeeded, "", 210, succeeded},
	} {
		t.Run(number, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			p := d.pay("1", d.bill("100"), number)
			if p.Status != want.now || p.FailureCode != want.code {
				t.Errorf("at once: %s %q, want %s %q", p.Status, p.FailureCode, want.now, want.code)
			}
			d.later()
			d.books("1", want.then, want.net, want.events)
		})
	}
}

// A provider that takes its time is asked again soon, and less often the longer it takes.
func TestASlowChargeIsLookedAtAgainSoon(t *testing.T) {
	d := open(t)
	p := d.start("1", d.bill("100"), card(sandbox.Slow))
	id, err := d.line.Create(t.Context(), p.ID, p.Amount, p.Currency)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Opened(t.Context(), p.ID, id); err != nil {
		t.Fatal(err)
	}
	d.sql(d.bank, "UPDATE charges SET state = 'processing', ready_at = now() + interval '1 hour'")
	for age, want := range map[int]float64{0: 0.5, 6: 3, 60: 10} {
		d.sql(d.db, fmt.Sprintf("UPDATE payments SET look_at = now(), created_at = now() - interval '%d seconds'", age))
		if err := d.SettleDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		var waits float64
		if err := d.db.Raw("SELECT extract(epoch FROM look_at - now()) FROM payments").Scan(&waits).Error; err != nil ||
			waits < want-0.4 || waits > want+0.4 {
			t.Errorf("after %d s: looked at again in %.1f s, %v; want about %.1f", age, waits, err, want)
		}
	}
}

// Each row is a crash between two lines of a charge; afterwards the settler finds out, and nothing is charged twice or
// for nothing.
func TestCrashPoints(t *testing.T) {
	tests := map[string]struct {
		until  func(d fixture, p *payment.Payment)
		status payment.Status
		net    int64
		events string
	}{
		"after the attempt was kept": {func(fixture, *payment.Payment) {}, payment.Cancelled, 0, "[]"},
		"after the provider opened the charge": {func(d fixture, p *payment.Payment) {
			_, _ = d.line.Create(d.t.Context(), p.ID, p.Amount, p.Currency)
		}, payment.Cancelled, 0, "[]"},
		"after its id was kept": {func(d fixture, p *payment.Payment) {
			id, _ := d.line.Create(d.t.Context(), p.ID, p.Amount, p.Currency)
			_, _ = d.store.Opened(d.t.Context(), p.ID, id)
		}, payment.Cancelled, 0, "[]"},
		"after the money was taken": {func(d fixture, p *payment.Payment) {
			id, _ := d.line.Create(d.t.Context(), p.ID, p.Amount, p.Currency)
			_, _ = d.store.Opened(d.t.Context(), p.ID, id)
			_, _ = d.line.Confirm(d.t.Context(), id, card("4242424242424242"))
		}, payment.Succeeded, 210, succeeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			b := d.bill("100")
			tt.until(d, d.start("1", b, card("4242424242424242")))
			// The same request again, while nobody knows: it is told how things stand and charges nothing.
			if p, resumed, err := d.Start(t.Context(), "1", b.UserID, b.OrderID, nil); err != nil || !resumed ||
				p.Status != payment.Processing {
				t.Errorf("repeat: %+v, resumed %v, %v; want the attempt under way", p, resumed, err)
			}
			d.later()
			d.later()
			d.books("1", tt.status, tt.net, tt.events)
		})
	}
}

// A request that stalls between two lines finds that the settler has ended its attempt, and sends no card.
func TestStalledRequestSendsNoCard(t *testing.T) {
	d := open(t)
	p := d.start("1", d.bill("100"), card("4242424242424242"))
	d.later()
	if p, err := d.charge(p, card("4242424242424242")); err != nil || p.Status != payment.Cancelled {
		t.Errorf("stalled charge: %+v, %v; want cancelled", p, err)
	}
	d.books("1", payment.Cancelled, 0, "[]")
}

func TestOneAttemptAtATime(t *testing.T) {
	d := open(t)
	b := d.bill("100")
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 10 {
		wg.Go(func() {
			_, _, err := d.Start(t.Context(), fmt.Sprint(i+1), b.UserID, b.OrderID, nil)
			mu.Lock()
			codes[problem.CodeOf(err)]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if codes[""] != 1 || codes["payment_in_progress"] != 9 {
		t.Errorf("outcomes %v, want one start and nine payment_in_progress", codes)
	}
}

func TestWhoMayStart(t *testing.T) {
	d := open(t)
	start := func(id, user, order string) error {
		_, _, err := d.Start(t.Context(), id, user, order, nil)
		return err
	}
	d.pay("1", d.bill("100"), "4242424242424242")
	d.bill("101")
	d.sql(d.db, "UPDATE bills SET due_at = now() WHERE order_id = 101")
	if err := d.CloseBill(t.Context(), d.bill("102")); err != nil {
		t.Fatal(err)
	}
	for order, want := range map[string]string{"100": "already_paid", "101": "order_not_payable",
		"102": "order_not_payable"} {
		if got := problem.CodeOf(start("9", "7", order)); got != want {
			t.Errorf("order %s: %q, want %q", order, got, want)
		}
	}
	d.bill("103")
	if err := start("9", "8", "103"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a stranger's order: %v, want not found", err)
	}
	if err := start("9", "7", "104"); !errors.Is(err, payment.ErrNoBill) {
		t.Errorf("an order nobody told of: %v, want ErrNoBill", err)
	}
}

// A request that waits for its bill until the time to pay is over comes too late: what counts is when it had the bill.
func TestWaitingForTheBillPastItsTime(t *testing.T) {
	d := open(t)
	d.bill("100")
	d.sql(d.db, "UPDATE bills SET due_at = clock_timestamp() + interval '1 second'")
	first := d.db.Begin()
	defer first.Rollback()
	d.sql(first, "SELECT 1 FROM bills FOR UPDATE")
	started := make(chan error, 1)
	go func() {
		_, _, err := d.Start(t.Context(), "1", "7", "100", nil)
		started <- err
	}()
	for waits := false; !waits; {
		if err := d.db.Raw("SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND " +
			"wait_event_type = 'Lock')").Scan(&waits).Error; err != nil {
			t.Fatal(err)
		}
	}
	d.sql(first, "SELECT pg_sleep_until(due_at + interval '10 milliseconds') FROM bills")
	first.Rollback()
	if err := <-started; problem.CodeOf(err) != "order_not_payable" {
		t.Errorf("started after the time to pay: %v, want order_not_payable", err)
	}
}

// The provider was away when the attempt began: that is final for the attempt, and the same request may begin again.
func TestProviderAway(t *testing.T) {
	d := open(t)
	b := d.bill("100")
	d.line.failCreate = true
	p := d.pay("1", b, "4242424242424242")
	if p.Status != payment.Failed || problem.KindOf(p.Refusal()) != problem.Unavailable {
		t.Errorf("away: %+v, refusal %v; want failed and unavailable", p, p.Refusal())
	}
	d.line.failCreate = false
	if p = d.pay("1", b, "4242424242424242"); p.Status != payment.Succeeded {
		t.Errorf("again: %+v, want succeeded", p)
	}
	d.books("1", payment.Succeeded, 210, succeeded)
}

// The order is cancelled while a charge is under way: either the provider cancels, or the success is told and order
// sends it back.
func TestClosedBill(t *testing.T) {
	t.Run("not captured", func(t *testing.T) {
		d := open(t)
		b := d.bill("100")
		d.line.failConfirm = true
		d.pay("1", b, "4242424242424242")
		if err := d.CloseBill(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		d.later()
		d.books("1", payment.Cancelled, 0, "[]")
	})
	t.Run("captured", func(t *testing.T) {
		d := open(t)
		b := d.bill("100")
		d.pay("1", b, sandbox.Unanswered)
		if err := d.CloseBill(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		d.later()
		d.books("1", payment.Succeeded, 210, succeeded)
		for range 3 { // asked for three times, given once
			if err := d.RequestRefund(t.Context(), "1", 210); err != nil {
				t.Fatal(err)
			}
			if err := d.RefundDue(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		d.books("1", payment.Refunded, 0, "[mall.payment.succeeded.v1 mall.payment.refunded.v1]")
		if status := d.status("100"); status != payment.BillRefunded {
			t.Errorf("bill %s, want refunded", status)
		}
	})
}

// "Unpaid" is final only after the provider has cancelled: while it cannot be asked, money may still move, and nobody
// is told otherwise.
func TestUnpaidIsFinalOnlyAfterTheProviderCancelled(t *testing.T) {
	d := open(t)
	b := d.bill("100")
	d.line.failConfirm, d.line.failCancel = true, true
	d.pay("1", b, "4242424242424242")
	if err := d.CloseBill(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Cancel(t.Context(), "7", "1"); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("cancel without an answer of the provider: %v, want unavailable", err)
	}
	if err := d.SettleDue(t.Context()); err == nil {
		t.Error("the settler is content without an answer of the provider")
	}
	d.books("1", payment.Processing, 0, "[]")
	d.line.failCancel = false
	d.later()
	d.books("1", payment.Cancelled, 0, "[]")
}

// A payment that comes before the event that opens its bill asks order. Whatever comes later finds the bill that it
// opened.
func TestPayingBeforeTheBillIsThere(t *testing.T) {
	d := open(t)
	orders := &anOrder{payment.Bill{OrderID: "100", UserID: "7", Amount: 210, Currency: "CNY",
		DueAt: time.Now().Add(time.Minute), Status: payment.Open, Version: 1}}
	early := payment.NewService(d.store, orders, nil, []payment.Provider{d.line}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	if err := early.OpenBill(t.Context(), "8", "100"); problem.KindOf(err) != problem.NotFound || d.status("100") != "" {
		t.Errorf("a stranger's: %v, want not found and no bill", err)
	}
	for range 2 {
		if err := early.OpenBill(t.Context(), "7", "100"); err != nil || d.status("100") != payment.Open {
			t.Fatalf("the owner's: %v, want an open bill", err)
		}
	}
	p := d.pay("1", d.bill("100"), "4242424242424242") // bill: the event comes after all
	if p.Amount != 210 || p.Currency != "CNY" {
		t.Errorf("attempt %+v, want the bill's amount", p)
	}
	d.books("1", payment.Succeeded, 210, succeeded)
	if err := early.OpenBill(t.Context(), "7", "999"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("no order: %v, want not found", err)
	}
}

// A crash, or a provider that is away, between the claim of a refund and the provider's refund: it is tried again when
// its time has come.
func TestRefundBeforeTheProviderHeardOfIt(t *testing.T) {
	d := open(t)
	d.pay("1", d.bill("100"), "4242424242424242")
	if err := d.RequestRefund(t.Context(), "1", 210); err != nil {
		t.Fatal(err)
	}
	if p, err := d.store.NextRefund(t.Context(), []string{"sandbox"}); err != nil || p == nil {
		t.Fatalf("claim: %+v, %v", p, err) // and here the process dies
	}
	if err := d.RefundDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.books("1", payment.Succeeded, 210, succeeded) // another replica leaves a claim alone
	d.line.failRefund = true
	d.sql(d.db, "UPDATE refunds SET look_at = now()")
	if err := d.RefundDue(t.Context()); err == nil {
		t.Error("a refund without an answer of the provider is taken for one")
	}
	d.books("1", payment.Succeeded, 210, succeeded)
	d.line.failRefund = false
	d.sql(d.db, "UPDATE refunds SET look_at = now()")
	if err := d.RefundDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.books("1", payment.Refunded, 0, "[mall.payment.succeeded.v1 mall.payment.refunded.v1]")
}

// A crash between the provider's refund and its record: the repeat is harmless.
func TestRefundCrash(t *testing.T) {
	d := open(t)
	p := d.pay("1", d.bill("100"), "4242424242424242")
	if err := d.RequestRefund(t.Context(), "1", 210); err != nil {
		t.Fatal(err)
	}
	if _, err := d.line.Refund(t.Context(), "sbx_1", p.ID, 210); err != nil {
		t.Fatal(err)
	}
	if err := d.RefundDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.books("1", payment.Refunded, 0, "[mall.payment.succeeded.v1 mall.payment.refunded.v1]")
	if err := d.RequestRefund(t.Context(), "2", 210); problem.KindOf(err) != problem.NotFound {
		t.Errorf("refund of an unknown payment: %v, want an error that parks the event", err)
	}
}

// The cancellation overtakes the placing: the bill stays closed.
func TestEventsInAnyOrder(t *testing.T) {
	d := open(t)
	b := payment.Bill{OrderID: "100", UserID: "7", Amount: 210, Currency: "CNY", DueAt: time.Now().Add(time.Minute),
		Version: 2}
	if err := errors.Join(d.CloseBill(t.Context(), b), d.OpenBills(t.Context(), b),
		d.CloseBill(t.Context(), b)); err != nil {
		t.Fatal(err)
	}
	if status := d.status("100"); status != payment.Closed {
		t.Errorf("bill %s, want closed", status)
	}
}

func TestShopperCancels(t *testing.T) {
	d := open(t)
	d.line.failConfirm = true
	d.pay("1", d.bill("100"), "4242424242424242")
	if _, err := d.Cancel(t.Context(), "8", "1"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("by a stranger: %v, want not found", err)
	}
	for range 2 {
		if p, err := d.Cancel(t.Context(), "7", "1"); err != nil || p.Status != payment.Cancelled {
			t.Errorf("cancel: %+v, %v", p, err)
		}
	}
	d.line.failConfirm = false
	d.pay("2", d.bill("101"), "4242424242424242")
	if _, err := d.Cancel(t.Context(), "7", "2"); problem.CodeOf(err) != "payment_not_cancellable" {
		t.Errorf("cancel what is paid: %v", err)
	}
}
