package payment

import (
	"context"
	"errors"
	"fmt"
)

// SettleDue asks the provider about every attempt whose outcome is unknown. One that was never confirmed, or that nobody wants any more, is
// cancelled there first: "unpaid" is final only then.
func (s *Service) SettleDue(ctx context.Context) error {
	var problems error
	for {
		p, wanted, err := s.store.NextUnsettled(ctx)
		if err != nil || p == nil {
			return errors.Join(problems, err)
		}
		if err := s.settle(ctx, p, wanted); err != nil {
			problems = errors.Join(problems, fmt.Errorf("settle payment %s: %w", p.ID, err))
		}
	}
}

func (s *Service) settle(ctx context.Context, p *Payment, wanted bool) error {
	if p.ProviderID == "" || !wanted {
		_, err := s.end(ctx, p, Interrupted)
		return err
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o, err := s.providers[p.Provider].Get(asking, p.ProviderID)
	if err != nil {
		return err
	}
	if o.State == StateCreated { // the card never arrived and is gone
		_, err = s.end(ctx, p, Interrupted)
		return err
	}
	if o.State == StateProcessing {
		return s.store.LookSoon(ctx, p.ID)
	}
	_, err = s.store.Settle(ctx, p.ID, o)
	return err
}

// RefundDue gives money back for every request; a repeat after a crash is harmless at the provider.
func (s *Service) RefundDue(ctx context.Context) error {
	var problems error
	for {
		p, err := s.store.NextRefund(ctx)
		if err != nil || p == nil {
			return errors.Join(problems, err)
		}
		if err := s.refund(ctx, p); err != nil {
			problems = errors.Join(problems, fmt.Errorf("refund payment %s: %w", p.ID, err))
		}
	}
}

func (s *Service) refund(ctx context.Context, p *Payment) error {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := s.providers[p.Provider].Refund(asking, p.ProviderID, p.ID, p.Amount); err != nil {
		return err
	}
	return s.store.Refunded(ctx, p.ID)
}

// OnPlaced opens the bills of orders.
func (s *Service) OnPlaced(ctx context.Context, bills ...Bill) error {
	return s.store.OpenBills(ctx, bills...)
}

// OnCancelled closes the bill of an order; attempts under way are ended by the settler.
func (s *Service) OnCancelled(ctx context.Context, b Bill) error { return s.store.CloseBill(ctx, b) }

// OnRefundRequested keeps the wish; RefundDue carries it out.
func (s *Service) OnRefundRequested(ctx context.Context, paymentID string, amount int64) error {
	return s.store.AskRefund(ctx, paymentID, amount)
}
