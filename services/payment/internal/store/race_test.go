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

// delayedStore is a store that returns what it has read only after something else has happened.
type delayedStore struct {
	*store.Store
	once      sync.Once
	meanwhile func()
}

func (l *delayedStore) Find(ctx context.Context, id string) (*payment.Payment, error) {
	p, err := l.Store.Find(ctx, id)
	l.once.Do(l.meanwhile)
	return p, err
}

func (l *delayedStore) NextUnsettled(ctx context.Context, providers []string) (*payment.Payment, bool, error) {
	p, billOpen, err := l.Store.NextUnsettled(ctx, providers)
	l.once.Do(l.meanwhile)
	return p, billOpen, err
}

// The attempt was read before its charge succeeded, and is then ended: the money was captured, so the payment has
// succeeded.
func TestEndingAnAttemptThatWasJustCharged(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, s *payment.Service) error{
		"the shopper cancels": func(ctx context.Context, s *payment.Service) error {
			_, err := s.Cancel(ctx, "7", "21")
			if problem.CodeOf(err) != "payment_not_cancellable" {
				t.Errorf("cancel: %v, want payment_not_cancellable", err)
			}
			return nil
		},
		"the settler checks it": func(ctx context.Context, s *payment.Service) error { return s.SettleDue(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			lost := card(sandbox.Unanswered) // captured, but the request that did it has no answer yet
			p := d.start("21", d.bill("11"), lost)
			d.sql(d.db, "UPDATE payments SET look_at = now()")
			slow := &delayedStore{Store: d.store, meanwhile: func() {
				if _, err := d.charge(p, lost); err != nil {
					t.Error(err)
				}
			}}
			other := payment.NewService(slow, noOrders{}, nil, []payment.Provider{d.line}, func() string { return "sandbox" },
				slog.New(slog.DiscardHandler))
			if err := end(t.Context(), other); err != nil {
				t.Error(err)
			}
			d.wantBalance("21", payment.Succeeded, 210, succeeded)
		})
	}
}

// An attempt that is started again counts as new for the settler, too: it is not checked while its request runs.
func TestARestartedAttemptIsNotCheckedAtOnce(t *testing.T) {
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
	d.wantBalance("21", payment.Succeeded, 210, succeeded)
}
