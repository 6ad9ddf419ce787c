package store_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
)

// late returns what it has read only after something else has happened.
type late struct {
	*store.Store
	once      sync.Once
	meanwhile func()
}

func (l *late) Find(ctx context.Context, id string) (*payment.Payment, error) {
	p, err := l.Store.Find(ctx, id)
	l.once.Do(l.meanwhile)
	return p, err
}

func (l *late) NextUnsettled(ctx context.Context, providers []string) (*payment.Payment, bool, error) {
	p, billOpen, err := l.Store.NextUnsettled(ctx, providers)
	l.once.Do(l.meanwhile)
	return p, billOpen, err
}

// Whoever ends an attempt has read it before its charge went through: the money was taken, so the payment succeeded.
func TestEndingAnAttemptThatIsJustCharged(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, s *payment.Service) error{
		"the shopper cancels": func(ctx context.Context, s *payment.Service) error {
			_, err := s.Cancel(ctx, "7", "21")
			if problem.CodeOf(err) != "payment_not_cancellable" {
				t.Errorf("cancel: %v, want payment_not_cancellable", err)
			}
			return nil
		},
		"the settler looks": func(ctx context.Context, s *payment.Service) error { return s.SettleDue(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			lost := card(sandbox.Unanswered) // captured, and the request that did it does not know yet
			p := d.start("21", d.bill("11"), lost)
			d.sql(d.db, "UPDATE payments SET look_at = now()")
			slow := &late{Store: d.store, meanwhile: func() {
				if _, err := d.charge(p, lost); err != nil {
					t.Error(err)
				}
			}}
			other := payment.NewService(slow, noOrders{}, nil, []payment.Provider{d.line}, func() string { return "sandbox" },
				slog.New(slog.DiscardHandler))
			if err := end(t.Context(), other); err != nil {
				t.Error(err)
			}
			d.books("21", payment.Succeeded, 210, succeeded)
		})
	}
}

// An attempt that is tried again is a new one to the settler, too: it is not looked at while its request runs.
func TestRevivedAttemptHasItsTime(t *testing.T) {
	d := open(t)
	b := d.bill("11")
	d.line.failCreate = true
	d.pay("21", b, "4242424242424242")
	d.sql(d.db, "UPDATE payments SET look_at = now() - interval '1 minute'")
	d.line.failCreate = false
	p := d.start("21", b, card("4242424242424242"))
	if err := d.SettleDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.charge(p, card("4242424242424242")); err != nil {
		t.Fatal(err)
	}
	d.books("21", payment.Succeeded, 210, succeeded)
}
