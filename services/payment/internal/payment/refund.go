package payment

import (
	"context"
	"fmt"
)

// RequestRefund records the request; RefundDue carries it out.
func (s *Service) RequestRefund(ctx context.Context, paymentID string, amount int64) error {
	return s.store.RequestRefund(ctx, paymentID, amount)
}

// RefundDue makes requested refunds, checks those under way, and checks finished ones again, because a bank may return
// the money weeks later. If it is repeated after a crash, the provider returns the refund that it has made already.
func (s *Service) RefundDue(ctx context.Context) error {
	return inParallel(func() (func() error, error) {
		r, err := s.store.NextRefund(ctx, s.providerNames)
		if err != nil || r == nil {
			return nil, err
		}
		return func() error {
			if err := s.refund(ctx, r); err != nil {
				return fmt.Errorf("refund payment %s: %w", r.Payment.ID, err)
			}
			return nil
		}, nil
	})
}

func (s *Service) refund(ctx context.Context, r *RefundRequest) error {
	p := r.Payment
	provider, err := s.provider(p.Provider)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var current Refund
	if r.RefundID == "" || r.Failed {
		current, err = provider.Refund(asking, p.ProviderID, p.ID, p.Amount)
	} else {
		current, err = provider.GetRefund(asking, p.ProviderID, r.RefundID)
	}
	if err != nil {
		return err
	}
	if current.State == RefundFailed {
		s.log.ErrorContext(ctx, "a refund failed, the money is still here", "payment", p.ID, "refund", current.ID, "reason",
			current.Reason, "reopened", r.Done)
	}
	return s.store.KeepRefund(ctx, p.ID, current)
}
