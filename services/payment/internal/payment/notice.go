package payment

import (
	"context"

	"daprmall.dev/services/kit/problem"
)

// OnNotice handles a provider's webhook. It makes the charge due to be checked and writes disputes; it changes nothing
// else, see Notice.
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
	found, requested, err := s.store.CheckNow(ctx, provider, n.ChargeID, n.Refund)
	if err != nil {
		return err
	}
	switch {
	case !found && n.Captured != "": // payment's database was restored to a time before this payment
		s.log.ErrorContext(ctx, "the provider has captured money for a payment that is not known here", "provider", provider,
			"notice", n.ID,
			"charge", n.ChargeID, "payment", n.Captured)
	case !found:
		s.log.InfoContext(ctx, "a notice of a charge that is not ours", "provider", provider, "notice", n.ID, "kind", n.Kind)
	case n.Refund && !requested:
		s.log.ErrorContext(ctx, "a refund that order did not ask for", "provider", provider, "notice", n.ID, "charge",
			n.ChargeID)
	}
	return nil
}

// Health counts what needs an operator.
func (s *Service) Health(ctx context.Context) (Health, error) {
	return s.store.Health(ctx, s.providerNames)
}
