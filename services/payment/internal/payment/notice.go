package payment

import (
	"context"

	"daprmall.dev/services/kit/problem"
)

// OnNotice handles a provider's webhook. It is only a hint that something may have changed: the provider is asked what,
// so a repeated, late or lost notice changes only when it is asked.
func (s *Service) OnNotice(ctx context.Context, provider string, payload []byte, signature string) error {
	notifier, ok := s.providers[provider].(Notifier)
	if !ok {
		return problem.NewNotFound("address")
	}
	n, err := notifier.Notice(payload, signature)
	if err != nil {
		return err
	}
	if n.Dispute != nil {
		fresh, err := s.store.KeepDispute(ctx, provider, *n.Dispute)
		if err != nil {
			return err
		}
		if fresh {
			s.log.ErrorContext(ctx, "a cardholder contests a charge: answer it at the provider", "provider", provider, "dispute",
				n.Dispute.ID,
				"charge", n.Dispute.ChargeID, "reason", n.Dispute.Reason)
		}
	}
	if n.ChargeID == "" {
		return nil
	}
	found, asked, err := s.store.CheckNow(ctx, provider, n.ChargeID, n.Refund)
	if err != nil {
		return err
	}
	switch {
	case !found && n.Captured != "": // a database restored to yesterday has no such payment
		s.log.ErrorContext(ctx, "the provider has captured money for a payment that is not known here", "provider", provider,
			"notice", n.ID,
			"charge", n.ChargeID, "payment", n.Captured)
	case !found:
		s.log.InfoContext(ctx, "a notice of a charge that is not ours", "provider", provider, "notice", n.ID, "kind", n.Kind)
	case n.Refund && !asked:
		s.log.ErrorContext(ctx, "a refund that order did not ask for", "provider", provider, "notice", n.ID, "charge",
			n.ChargeID)
	}
	return nil
}

// Health counts what needs an operator.
func (s *Service) Health(ctx context.Context) (Health, error) { return s.store.Health(ctx, s.names) }
