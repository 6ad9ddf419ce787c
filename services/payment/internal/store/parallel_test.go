package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
)

// pairedProvider is a provider that answers a call only while another one is running.
type pairedProvider struct {
	*unreliable
	mu      sync.Mutex
	waiting chan struct{}
	alone   atomic.Int64
}

func (m *pairedProvider) meet() {
	m.mu.Lock()
	if m.waiting != nil {
		close(m.waiting)
		m.waiting = nil
		m.mu.Unlock()
		return
	}
	here := make(chan struct{})
	m.waiting = here
	m.mu.Unlock()
	select {
	case <-here:
	case <-time.After(20 * time.Second):
		m.alone.Add(1)
	}
}

func (m *pairedProvider) Get(ctx context.Context, id string) (payment.Outcome, error) {
	m.meet()
	return m.unreliable.Get(context.WithoutCancel(ctx), id)
}

// After an outage of the provider many attempts are open: they are checked in parallel.
func TestManyAttemptsAreSettledInParallel(t *testing.T) {
	d := open(t)
	for i := range 6 {
		b := d.bill(fmt.Sprint(100 + i))
		d.line.failConfirm = true
		p := d.pay(fmt.Sprint(1+i), b, "4242424242424242")
		if p.Status != payment.Processing {
			t.Fatalf("payment %s is %s", p.ID, p.Status)
		}
	}
	d.line.failConfirm = false
	if err := d.db.Exec("UPDATE payments SET look_at = now()").Error; err != nil {
		t.Fatal(err)
	}
	m := &pairedProvider{unreliable: d.line}
	service := payment.NewService(d.store, noOrders{}, nil, []payment.Provider{m}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	if err := service.SettleDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := m.alone.Load(); n > 0 {
		t.Errorf("%d calls ran alone", n)
	}
	var open int64
	if err := d.db.Raw("SELECT count(*) FROM payments WHERE status = 'processing' AND look_at <= now()").Scan(&open).
		Error; err != nil || open != 0 {
		t.Errorf("%d attempts are due still, %v", open, err)
	}
}

// timingOut is a provider that does not answer for so long that everything is due again.
type timingOut struct {
	*unreliable
	d     fixture
	asked atomic.Int64
	stop  context.CancelFunc
}

func (p *timingOut) silence() error {
	if p.asked.Add(1) > 100 {
		p.stop()
	}
	p.d.sql(p.d.db, "UPDATE payments SET look_at = now()")
	p.d.sql(p.d.db, "UPDATE refunds SET look_at = now() WHERE look_at < 'infinity'")
	return context.DeadlineExceeded
}

func (p *timingOut) Get(context.Context, string) (payment.Outcome, error) {
	return payment.Outcome{}, p.silence()
}

func (p *timingOut) Refund(context.Context, string, string, int64) (payment.Refund, error) {
	return payment.Refund{}, p.silence()
}

// A round ends although the provider does not answer: its error is reported, and few calls are made.
func TestARoundEndsWhenTheProviderDoesNotAnswer(t *testing.T) {
	d := open(t)
	d.pay("1", d.bill("100"), "4242424242424242")
	if err := d.RequestRefund(t.Context(), "1", 210); err != nil {
		t.Fatal(err)
	}
	d.pay("2", d.bill("101"), sandbox.Unanswered)
	d.sql(d.db, "UPDATE payments SET look_at = now()")
	p := &timingOut{unreliable: d.line, d: d}
	service := payment.NewService(d.store, noOrders{}, nil, []payment.Provider{p}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	for what, round := range map[string]func(context.Context) error{"settle": service.SettleDue,
		"refund": service.RefundDue} {
		ctx, stop := context.WithCancel(t.Context())
		p.stop = stop
		p.asked.Store(0)
		if err := round(ctx); err == nil || p.asked.Load() > 8 {
			t.Errorf("%s: asked %d times, %v; want an error after at most eight", what, p.asked.Load(), err)
		}
		stop()
	}
}

// A round without work takes one statement: it runs every second, and usually there is nothing to do.
func TestARoundWithoutWorkTakesOneStatement(t *testing.T) {
	d := open(t)
	watched := postgrestest.Watch(d.db)
	s := store.New(watched.DB, outbox.New(watched.DB, "payment", nil, slog.Default()))
	service := payment.NewService(s, noOrders{}, nil, []payment.Provider{d.line}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	for what, round := range map[string]func(context.Context) error{"settle": service.SettleDue,
		"refund": service.RefundDue} {
		before := watched.Runs()
		if err := round(t.Context()); err != nil || watched.Runs()-before != 1 {
			t.Errorf("%s: %d statements, %v; want 1", what, watched.Runs()-before, err)
		}
	}
}
