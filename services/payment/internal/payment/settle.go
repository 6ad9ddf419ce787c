package payment

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// SettleDue asks the provider about every attempt whose outcome is unknown. One that was never confirmed, or that
// nobody wants any more, is cancelled there first: "unpaid" is final only then.
func (s *Service) SettleDue(ctx context.Context) error {
	return inParallel(func() (func() error, error) {
		p, billOpen, err := s.store.NextUnsettled(ctx, s.names)
		if err != nil || p == nil {
			return nil, err
		}
		return func() error {
			if err := s.settle(ctx, p, billOpen); err != nil {
				return fmt.Errorf("settle payment %s: %w", p.ID, err)
			}
			return nil
		}, nil
	})
}

// askers is how many questions to providers are under way at a time: each may take a second, and after an outage there
// are many.
const askers = 8

// inParallel claims work and does it until none is left. Whoever fails stops: while a provider is silent its claims run
// out as fast as they are made, and the round would never end. The next round goes on. As a rule there is none: then it
// was claimed for once.
func inParallel(claim func() (do func() error, err error)) error {
	first, err := claim()
	if err != nil || first == nil {
		return err
	}
	errs := make([]error, askers)
	var all sync.WaitGroup
	for i := range askers {
		do := first
		first = nil
		all.Go(func() { errs[i] = drain(do, claim) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// drain does what is claimed already (nil: nothing), and then what it claims.
func drain(do func() error, claim func() (do func() error, err error)) (err error) {
	for {
		if do == nil {
			if do, err = claim(); err != nil || do == nil {
				return err
			}
		}
		if err := do(); err != nil {
			return err
		}
		do = nil
	}
}

func (s *Service) settle(ctx context.Context, p *Payment, billOpen bool) error {
	switch {
	case !billOpen && p.Status == RequiresAction:
		_, err := s.end(ctx, p, StateCancelled, ActionExpired)
		return err
	case p.ProviderID == "" || !billOpen:
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
	return s.store.ScheduleCheck(ctx, p.ID)
}

// OpenBills opens the bills of orders.
func (s *Service) OpenBills(ctx context.Context, bills ...Bill) error {
	return s.store.OpenBills(ctx, bills...)
}

// CloseBill closes the bill of an order; attempts under way are ended by the settler.
func (s *Service) CloseBill(ctx context.Context, b Bill) error { return s.store.CloseBill(ctx, b) }
