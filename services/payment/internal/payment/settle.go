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
		p, wanted, err := s.store.NextUnsettled(ctx, s.names)
		if err != nil || p == nil {
			return errors.Join(problems, err)
		}
		if err := s.settle(ctx, p, wanted); err != nil {
			problems = errors.Join(problems, fmt.Errorf("settle payment %s: %w", p.ID, err))
		}
	}
}

func (s *Service) settle(ctx context.Context, p *Payment, wanted bool) error {
	switch {
	case !wanted && p.Status == RequiresAction:
		_, err := s.end(ctx, p, StateCancelled, ActionExpired)
		return err
	case p.ProviderID == "" || !wanted:
		_, err := s.end(ctx, p, StateCancelled, Interrupted)
		return err
	}
	provider, err := s.provider(p.Provider)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o, err := s.look(asking, provider, p)
	if err != nil {
		return err
	}
	switch {
	case o.State == StateCreated && o.FailureCode != "": // the card was refused after all
		_, err = s.end(ctx, p, StateFailed, o.FailureCode)
		return err
	case o.State == StateCreated: // the card never arrived and is gone
		_, err = s.end(ctx, p, StateCancelled, Interrupted)
		return err
	}
	if p, err = s.store.Settle(ctx, p.ID, o); err != nil || !p.UnderWay() {
		return err
	}
	return s.store.LookSoon(ctx, p.ID)
}

// OnPlaced opens the bills of orders.
func (s *Service) OnPlaced(ctx context.Context, bills ...Bill) error {
	return s.store.OpenBills(ctx, bills...)
}

// OnCancelled closes the bill of an order; attempts under way are ended by the settler.
func (s *Service) OnCancelled(ctx context.Context, b Bill) error { return s.store.CloseBill(ctx, b) }
