// Package stripe pays through Stripe's PaymentIntents (https://docs.stripe.com/api/payment_intents), with the official SDK.
package stripe

import (
	"context"
	"errors"
	"strconv"
	"strings"

	stripe "github.com/stripe/stripe-go/v82"

	"daprmall.dev/services/payment/internal/payment"
)

// Provider is payment.Provider.
type Provider struct{ api *stripe.Client }

// New makes a provider; url replaces Stripe's own address, "" keeps it.
func New(apiKey, url string) *Provider {
	config := &stripe.BackendConfig{MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}}
	if url != "" {
		config.URL = stripe.String(url)
	}
	backends := stripe.NewBackendsWithConfig(config)
	return &Provider{api: stripe.NewClient(apiKey, stripe.WithBackends(backends))}
}

// Name is how attempts remember it.
func (*Provider) Name() string { return "stripe" }

// Create is described at payment.Provider.
func (p *Provider) Create(ctx context.Context, ref string, amount int64, currency string) (string, error) {
	params := &stripe.PaymentIntentCreateParams{Amount: stripe.Int64(amount), Currency: stripe.String(strings.ToLower(currency)),
		PaymentMethodTypes: []*string{stripe.String("card")}, Metadata: map[string]string{"payment_id": ref}}
	params.SetIdempotencyKey("create-" + ref)
	pi, err := p.api.V1PaymentIntents.Create(ctx, params)
	if err != nil {
		return "", err
	}
	return pi.ID, nil
}

// Confirm is described at payment.Provider.
func (p *Provider) Confirm(ctx context.Context, id string, card payment.Card) (payment.Outcome, error) {
	method := &stripe.PaymentMethodCreateParams{Type: stripe.String("card"), Card: &stripe.PaymentMethodCreateCardParams{
		Number: stripe.String(card.Number), ExpMonth: stripe.Int64(int64(card.ExpMonth)), ExpYear: stripe.Int64(int64(card.ExpYear)), CVC: stripe.String(card.CVC)}}
	pm, err := p.api.V1PaymentMethods.Create(ctx, method)
	if o, refused := declined(err); refused {
		return p.giveUp(ctx, id, o)
	}
	if err != nil {
		return payment.Outcome{}, err
	}
	params := &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String(pm.ID)}
	params.SetIdempotencyKey("confirm-" + id)
	pi, err := p.api.V1PaymentIntents.Confirm(ctx, id, params)
	if o, refused := declined(err); refused {
		return p.giveUp(ctx, id, o)
	}
	if err != nil {
		return payment.Outcome{}, err
	}
	return outcome(pi), nil
}

// giveUp cancels an intent whose card was declined: Stripe would let another card try, here that is another attempt.
func (p *Provider) giveUp(ctx context.Context, id string, o payment.Outcome) (payment.Outcome, error) {
	ended, err := p.Cancel(ctx, id)
	if err != nil || ended.State == payment.StateSucceeded {
		return ended, err
	}
	return o, nil
}

// Get is described at payment.Provider.
func (p *Provider) Get(ctx context.Context, id string) (payment.Outcome, error) {
	pi, err := p.api.V1PaymentIntents.Retrieve(ctx, id, nil)
	if err != nil {
		return payment.Outcome{}, err
	}
	return outcome(pi), nil
}

// Cancel is described at payment.Provider.
func (p *Provider) Cancel(ctx context.Context, id string) (payment.Outcome, error) {
	pi, err := p.api.V1PaymentIntents.Cancel(ctx, id, nil)
	if err == nil {
		return outcome(pi), nil
	}
	var refused *stripe.Error
	if errors.As(err, &refused) && refused.Code == stripe.ErrorCodePaymentIntentUnexpectedState {
		return p.Get(ctx, id) // settled meanwhile: what it is, it is
	}
	return payment.Outcome{}, err
}

// Refund is described at payment.Provider.
func (p *Provider) Refund(ctx context.Context, id, ref string, amount int64) error {
	params := &stripe.RefundCreateParams{PaymentIntent: stripe.String(id), Amount: stripe.Int64(amount), Metadata: map[string]string{"payment_id": ref}}
	params.SetIdempotencyKey("refund-" + ref + "-" + strconv.FormatInt(amount, 10))
	_, err := p.api.V1Refunds.Create(ctx, params)
	var refused *stripe.Error
	if errors.As(err, &refused) && refused.Code == stripe.ErrorCodeChargeAlreadyRefunded {
		return nil
	}
	return err
}

func declined(err error) (payment.Outcome, bool) {
	var refused *stripe.Error
	if !errors.As(err, &refused) || refused.Type != stripe.ErrorTypeCard {
		return payment.Outcome{}, false
	}
	code := payment.CardDeclined
	if refused.DeclineCode == stripe.DeclineCodeInsufficientFunds {
		code = payment.InsufficientFunds
	}
	return payment.Outcome{State: payment.StateFailed, FailureCode: code}, true
}

func outcome(pi *stripe.PaymentIntent) payment.Outcome {
	switch pi.Status {
	case stripe.PaymentIntentStatusSucceeded:
		return payment.Outcome{State: payment.StateSucceeded}
	case stripe.PaymentIntentStatusCanceled:
		return payment.Outcome{State: payment.StateCancelled}
	case stripe.PaymentIntentStatusProcessing, stripe.PaymentIntentStatusRequiresCapture:
		return payment.Outcome{State: payment.StateProcessing}
	}
	return payment.Outcome{State: payment.StateCreated} // requires a method, a confirmation or an action nobody can take here
}
