package payment

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// SettleDue checks every attempt that is due, see settle. The worker that calls it is the settler.
func (s *Service) SettleDue(ctx context.Context) error {
	return inParallel(func() (func() error, error) {
		p, billOpen, err := s.store.NextUnsettled(ctx, s.providerNames)
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

// maxParallel is how many queries of providers run at a time: each may take a second, and after an outage there are
// many.
const maxParallel = 8

// inParallel claims work and does it, in parallel, until none is left. Usually there is none, and the only cost is one
// claim. A goroutine whose work fails stops: a claim ends after some seconds, so with a provider that does not answer
// there would always be work to claim, and the call would never end. The worker's next round continues.
func inParallel(claim func() (do func() error, err error)) error {
	first, err := claim()
	if err != nil || first == nil {
		return err
	}
	errs := make([]error, maxParallel)
	var all sync.WaitGroup
	for i := range maxParallel {
		do := first
		first = nil
		all.Go(func() { errs[i] = doAll(do, claim) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// doAll does the work that is claimed already (nil: none), and then claims and does more until none is left or one
// fails.
func doAll(do func() error, claim func() (do func() error, err error)) (err error) {
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

// settle finds the outcome of an attempt. If it cannot succeed any more (billOpen is false), or its card was never
// sent, it is cancelled at the provider: only then is "unpaid" final. Otherwise the provider is queried.
func (s *Service) settle(ctx context.Context, p *Payment, billOpen bool) error {
	switch {
	case !billOpen && p.Status == RequiresAction:
		_, err := s.cancelAtProvider(ctx, p, StateCancelled, ActionExpired)
		return err
	case p.ProviderID == "" || !billOpen:
		_, err := s.cancelAtProvider(ctx, p, StateCancelled, Interrupted)
		return err
	}
	provider, err := s.provider(p.Provider)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	o, err := s.queryProvider(asking, provider, p)
	if err != nil {
		return err
	}
	switch {
	case o.State == StateCreated && o.FailureCode != "": // the card was refused
		_, err = s.cancelAtProvider(ctx, p, StateFailed, o.FailureCode)
		return err
	case o.State == StateCreated: // the card did not reach the provider, and nobody has it any more
		_, err = s.cancelAtProvider(ctx, p, StateCancelled, Interrupted)
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
