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

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
)

// unreliable is the real sandbox behind a connection that can break: before a call, without effect, or after it, with
// an unknown outcome.
type unreliable struct {
	*sandbox.Provider
	failCreate, failConfirm, failCancel, failRefund bool
}

func (s *unreliable) Create(ctx context.Context, ref string, amount int64, currency string) (string, error) {
	if s.failCreate {
		return "", errors.New("no connection")
	}
	return s.Provider.Create(ctx, ref, amount, currency)
}

func (s *unreliable) Confirm(ctx context.Context, id string, card payment.Card) (payment.Outcome, error) {
	if s.failConfirm {
		return payment.Outcome{}, errors.New("no connection")
	}
	return s.Provider.Confirm(ctx, id, card)
}

func (s *unreliable) Cancel(ctx context.Context, id string) (payment.Outcome, error) {
	if s.failCancel {
		return payment.Outcome{}, errors.New("no connection")
	}
	return s.Provider.Cancel(ctx, id)
}

func (s *unreliable) Refund(ctx context.Context, id, ref string, amount int64) (payment.Refund, error) {
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
	line     *unreliable
	store    *store.Store
}

func open(t *testing.T) fixture {
	t.Helper()
	db, bank := postgrestest.Open(t, outbox.Migrations, store.Migrations), postgrestest.Open(t, sandbox.Migrations)
	contractstest.CheckEventsAtEnd(t, db, "payment")
	line := &unreliable{Provider: sandbox.New(bank)}
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

// later makes everything due for the settler.
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

// wantBalance compares a payment with the provider: status, captured minus refunded amount, events.
func (d fixture) wantBalance(id string, status payment.Status, net int64, events string) {
	d.t.Helper()
	p, err := d.store.Find(d.t.Context(), id)
	if err != nil || p.Status != status {
		d.t.Errorf("payment %s: %+v, %v; want %s", id, p, err, status)
	}
	var sum int64
	if err := d.bank.Raw("SELECT coalesce(sum(captured - refunded), 0)::bigint FROM charges").Scan(&sum).
		Error; err != nil || sum != net {
		d.t.Errorf("payment %s: the provider holds %d, %v; want %d", id, sum, err, net)
	}
	var types []string
	if err := d.db.Raw("SELECT type FROM outbox ORDER BY seq").Scan(&types).Error; err != nil ||
		fmt.Sprint(types) != events {
		d.t.Errorf("payment %s: events %v, %v; want %s", id, types, err, events)
	}
}

const succeeded = "[mall.payment.succeeded.v1]"

func TestEachCardIsSettled(t *testing.T) {
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
			d.wantBalance("1", want.then, want.net, want.events)
		})
	}
}

// A slow charge is checked again soon, and less often the longer it takes.
func TestASlowChargeIsCheckedAgainSoon(t *testing.T) {
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
			t.Errorf("after %d s: checked again in %.1f s, %v; want about %.1f", age, waits, err, want)
		}
	}
}

// Each row is a crash between two steps of a charge. Afterwards the settler finds the outcome, and no order is charged
// twice or in vain.
func TestTheSettlerFindsTheOutcomeAfterACrash(t *testing.T) {
	tests := map[string]struct {
		until  func(d fixture, p *payment.Payment)
		status payment.Status
		net    int64
		events string
	}{
		"after the attempt was stored": {func(fixture, *payment.Payment) {}, payment.Cancelled, 0, "[]"},
		"after the provider opened the charge": {func(d fixture, p *payment.Payment) {
			_, _ = d.line.Create(d.t.Context(), p.ID, p.Amount, p.Currency)
		}, payment.Cancelled, 0, "[]"},
		"after its id was stored": {func(d fixture, p *payment.Payment) {
			id, _ := d.line.Create(d.t.Context(), p.ID, p.Amount, p.Currency)
			_, _ = d.store.Opened(d.t.Context(), p.ID, id)
		}, payment.Cancelled, 0, "[]"},
		"after the money was captured": {func(d fixture, p *payment.Payment) {
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
			// While the outcome is unknown, the same request gets the present state and charges nothing.
			if p, resumed, err := d.Start(t.Context(), "1", b.UserID, b.OrderID, nil); err != nil || !resumed ||
				p.Status != payment.Processing {
				t.Errorf("repeat: %+v, resumed %v, %v; want the open attempt", p, resumed, err)
			}
			d.later()
			d.later()
			d.wantBalance("1", tt.status, tt.net, tt.events)
		})
	}
}

// A request that stalls between two steps finds that the settler has ended its attempt, and does not send the card.
func TestAStalledRequestSendsNoCard(t *testing.T) {
	d := open(t)
	p := d.start("1", d.bill("100"), card("4242424242424242"))
	d.later()
	if p, err := d.charge(p, card("4242424242424242")); err != nil || p.Status != payment.Cancelled {
		t.Errorf("stalled charge: %+v, %v; want cancelled", p, err)
	}
	d.wantBalance("1", payment.Cancelled, 0, "[]")
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

func TestOnlyPayableOrdersOfTheUserCanBePaid(t *testing.T) {
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
		t.Errorf("another user's order: %v, want not found", err)
	}
	if err := start("9", "7", "104"); !errors.Is(err, payment.ErrNoBill) {
		t.Errorf("an unknown order: %v, want ErrNoBill", err)
	}
}

// A request that waited for its bill until the time to pay was over comes too late: the time at which it has the bill
// counts.
func TestAPaymentThatWaitedTooLongIsRefused(t *testing.T) {
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
	postgrestest.AwaitLockWait(t, d.db)
	d.sql(first, "SELECT pg_sleep_until(due_at + interval '10 milliseconds') FROM bills")
	first.Rollback()
	if err := <-started; problem.CodeOf(err) != "order_not_payable" {
		t.Errorf("started after the time to pay: %v, want order_not_payable", err)
	}
}

// If the provider is unreachable when the attempt begins, the attempt has failed, and the same request may begin again.
func TestAnUnreachableProviderFailsTheAttempt(t *testing.T) {
	d := open(t)
	b := d.bill("100")
	d.line.failCreate = true
	p := d.pay("1", b, "4242424242424242")
	if p.Status != payment.Failed || problem.KindOf(p.Refusal()) != problem.Unavailable {
		t.Errorf("unreachable: %+v, refusal %v; want failed and unavailable", p, p.Refusal())
	}
	d.line.failCreate = false
	if p = d.pay("1", b, "4242424242424242"); p.Status != payment.Succeeded {
		t.Errorf("again: %+v, want succeeded", p)
	}
	d.wantBalance("1", payment.Succeeded, 210, succeeded)
}

// The order is cancelled during a charge: either the provider cancels it, or the success is published and order
// requests a refund.
func TestAChargeOfAClosedBillIsCancelledOrRefunded(t *testing.T) {
	t.Run("not captured", func(t *testing.T) {
		d := open(t)
		b := d.bill("100")
		d.line.failConfirm = true
		d.pay("1", b, "4242424242424242")
		if err := d.CloseBill(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		d.later()
		d.wantBalance("1", payment.Cancelled, 0, "[]")
	})
	t.Run("captured", func(t *testing.T) {
		d := open(t)
		b := d.bill("100")
		d.pay("1", b, sandbox.Unanswered)
		if err := d.CloseBill(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		d.later()
		d.wantBalance("1", payment.Succeeded, 210, succeeded)
		for range 3 { // requested three times, refunded once
			if err := d.RequestRefund(t.Context(), "1", 210); err != nil {
				t.Fatal(err)
			}
			if err := d.RefundDue(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		d.wantBalance("1", payment.Refunded, 0, "[mall.payment.succeeded.v1 mall.payment.refunded.v1]")
		if status := d.status("100"); status != payment.BillRefunded {
			t.Errorf("bill %s, want refunded", status)
		}
	})
}

// A payment counts as unpaid only after the provider has cancelled it: while the provider cannot be asked, money may
// still be captured.
func TestUnpaidIsFinalOnlyAfterTheProviderCancelled(t *testing.T) {
	d := open(t)
	b := d.bill("100")
	d.line.failConfirm, d.line.failCancel = true, true
	d.pay("1", b, "4242424242424242")
	if err := d.CloseBill(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Cancel(t.Context(), "7", "1"); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("cancel while the provider does not answer: %v, want unavailable", err)
	}
	if err := d.SettleDue(t.Context()); err == nil {
		t.Error("the settler reports success while the provider does not answer")
	}
	d.wantBalance("1", payment.Processing, 0, "[]")
	d.line.failCancel = false
	d.later()
	d.wantBalance("1", payment.Cancelled, 0, "[]")
}

// A payment that arrives before the event that opens its bill asks order. Later events find the bill that it opened.
func TestABillIsOpenedByAPaymentBeforeItsEvent(t *testing.T) {
	d := open(t)
	orders := &anOrder{payment.Bill{OrderID: "100", UserID: "7", Amount: 210, Currency: "CNY",
		DueAt: time.Now().Add(time.Minute), Status: payment.Open, Version: 1}}
	early := payment.NewService(d.store, orders, nil, []payment.Provider{d.line}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	if err := early.OpenBill(t.Context(), "8", "100"); problem.KindOf(err) != problem.NotFound || d.status("100") != "" {
		t.Errorf("by another user: %v, want not found and no bill", err)
	}
	for range 2 {
		if err := early.OpenBill(t.Context(), "7", "100"); err != nil || d.status("100") != payment.Open {
			t.Fatalf("by the owner: %v, want an open bill", err)
		}
	}
	p := d.pay("1", d.bill("100"), "4242424242424242") // d.bill: the event arrives after all
	if p.Amount != 210 || p.Currency != "CNY" {
		t.Errorf("attempt %+v, want the bill's amount", p)
	}
	d.wantBalance("1", payment.Succeeded, 210, succeeded)
	if err := early.OpenBill(t.Context(), "7", "999"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("no order: %v, want not found", err)
	}
}

// After a crash between the claim of a refund and the provider's refund, or while the provider is unreachable, the
// refund is tried again later.
func TestARefundIsRetriedIfTheProviderDidNotReceiveIt(t *testing.T) {
	d := open(t)
	d.pay("1", d.bill("100"), "4242424242424242")
	if err := d.RequestRefund(t.Context(), "1", 210); err != nil {
		t.Fatal(err)
	}
	if p, err := d.store.NextRefund(t.Context(), []string{"sandbox"}); err != nil || p == nil {
		t.Fatalf("claim: %+v, %v", p, err) // the process dies here
	}
	if err := d.RefundDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.wantBalance("1", payment.Succeeded, 210, succeeded) // other replicas leave a claimed refund alone
	d.line.failRefund = true
	d.sql(d.db, "UPDATE refunds SET look_at = now()")
	if err := d.RefundDue(t.Context()); err == nil {
		t.Error("a refund counts as done although the provider did not answer")
	}
	d.wantBalance("1", payment.Succeeded, 210, succeeded)
	d.line.failRefund = false
	d.sql(d.db, "UPDATE refunds SET look_at = now()")
	if err := d.RefundDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.wantBalance("1", payment.Refunded, 0, "[mall.payment.succeeded.v1 mall.payment.refunded.v1]")
}

// After a crash between the provider's refund and its record, the repeat has no further effect.
func TestARefundIsMadeOnceDespiteACrash(t *testing.T) {
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
	d.wantBalance("1", payment.Refunded, 0, "[mall.payment.succeeded.v1 mall.payment.refunded.v1]")
	if err := d.RequestRefund(t.Context(), "2", 210); problem.KindOf(err) != problem.NotFound {
		t.Errorf("refund of an unknown payment: %v, want an error that parks the event", err)
	}
}

// If the cancellation is received before the placing, the bill stays closed.
func TestABillStaysClosedWhateverTheOrderOfEvents(t *testing.T) {
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

func TestAShopperCancelsAnOpenPayment(t *testing.T) {
	d := open(t)
	d.line.failConfirm = true
	d.pay("1", d.bill("100"), "4242424242424242")
	if _, err := d.Cancel(t.Context(), "8", "1"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("by another user: %v, want not found", err)
	}
	for range 2 {
		if p, err := d.Cancel(t.Context(), "7", "1"); err != nil || p.Status != payment.Cancelled {
			t.Errorf("cancel: %+v, %v", p, err)
		}
	}
	d.line.failConfirm = false
	d.pay("2", d.bill("101"), "4242424242424242")
	if _, err := d.Cancel(t.Context(), "7", "2"); problem.CodeOf(err) != "payment_not_cancellable" {
		t.Errorf("cancel a succeeded payment: %v", err)
	}
}
