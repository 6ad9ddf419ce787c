// Package stripe pays through Stripe's PaymentIntents (https://docs.stripe.com/api/payment_intents), with the official
// SDK.
package stripe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	stripe "github.com/stripe/stripe-go/v82"

	"daprmall.dev/services/payment/internal/payment"
)

// Config is how to reach Stripe.
type Config struct {
	APIKey        string
	WebhookSecret string        // of the endpoint, several separated by commas during a change; "" refuses all notices
	URL           string        // replaces Stripe's own address, "" keeps it
	ReturnURL     func() string // where a bank's page sends shoppers back to; "": Stripe.js decides
}

// Provider implements payment.Provider and payment.Notifier.
type Provider struct {
	api *stripe.Client
	set Config
}

// New makes a provider.
func New(c Config) *Provider {
	config := &stripe.BackendConfig{MaxNetworkRetries: stripe.Int64(0),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}}
	if c.URL != "" {
		config.URL = stripe.String(c.URL)
	}
	if c.ReturnURL == nil {
		c.ReturnURL = func() string { return "" }
	}
	return &Provider{api: stripe.NewClient(c.APIKey, stripe.WithBackends(stripe.NewBackendsWithConfig(config))), set: c}
}

// Name identifies the provider in attempts.
func (*Provider) Name() string { return "stripe" }

// HostsCards is described at payment.Provider: Stripe.js has card fields.
func (*Provider) HostsCards() bool { return true }

// Create implements payment.Provider. Its idempotency key is new each time (the SDK's): Stripe repeats any answer to a
// key for a day, failures too, and an intent without a card costs nothing.
func (p *Provider) Create(ctx context.Context, ref string, amount int64, currency string) (string, error) {
	units, err := units(amount, currency)
	if err != nil {
		return "", err
	}
	pi, err := p.api.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{Amount: stripe.Int64(units),
		Currency:           stripe.String(strings.ToLower(currency)),
		PaymentMethodTypes: []*string{stripe.String("card")}, Metadata: map[string]string{"payment_id": ref}})
	if notChargeable(err) {
		return "", fmt.Errorf("%w: %w", payment.ErrNotChargeable, plain(err))
	}
	if err != nil {
		return "", plain(err)
	}
	return pi.ID, nil
}

// Confirm implements payment.Provider. An intent is confirmed once, so its id is the idempotency key.
func (p *Provider) Confirm(ctx context.Context, id string, card payment.Card) (payment.Outcome, error) {
	method := &stripe.PaymentMethodCreateParams{Type: stripe.String("card"), Card: &stripe.PaymentMethodCreateCardParams{
		Number: stripe.String(card.Number), ExpMonth: stripe.Int64(int64(card.ExpMonth)),
		ExpYear: stripe.Int64(int64(card.ExpYear)), CVC: stripe.String(card.CVC)}}
	pm, err := p.api.V1PaymentMethods.Create(ctx, method)
	if code, refused := declined(err); refused {
		return p.giveUp(ctx, id, code)
	}
	if err != nil {
		return payment.Outcome{}, plain(err)
	}
	params := &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String(pm.ID)}
	if url := p.set.ReturnURL(); url != "" {
		params.ReturnURL = stripe.String(url)
	}
	params.SetIdempotencyKey("confirm-" + id)
	pi, err := p.api.V1PaymentIntents.Confirm(ctx, id, params)
	if code, refused := declined(err); refused {
		return p.giveUp(ctx, id, code)
	}
	if err != nil {
		return payment.Outcome{}, plain(err)
	}
	o := outcome(pi)
	if o.State == payment.StateCreated && o.FailureCode != "" {
		return p.giveUp(ctx, id, o.FailureCode)
	}
	return o, nil
}

// giveUp cancels an intent whose card was declined: Stripe would allow another card, here that is another attempt.
func (p *Provider) giveUp(ctx context.Context, id, code string) (payment.Outcome, error) {
	ended, err := p.Cancel(ctx, id)
	if err != nil || ended.State == payment.StateSucceeded || ended.State == payment.StateProcessing {
		return ended, err
	}
	return payment.Outcome{State: payment.StateFailed, FailureCode: code}, nil
}

// Get implements payment.Provider.
func (p *Provider) Get(ctx context.Context, id string) (payment.Outcome, error) {
	params := &stripe.PaymentIntentRetrieveParams{}
	params.AddExpand("payment_method")
	pi, err := p.api.V1PaymentIntents.Retrieve(ctx, id, params)
	if err != nil {
		return payment.Outcome{}, plain(err)
	}
	return outcome(pi), nil
}

// Cancel implements payment.Provider.
func (p *Provider) Cancel(ctx context.Context, id string) (payment.Outcome, error) {
	pi, err := p.api.V1PaymentIntents.Cancel(ctx, id, nil)
	if err == nil {
		return outcome(pi), nil
	}
	var refused *stripe.Error
	if errors.As(err, &refused) && refused.Code == stripe.ErrorCodePaymentIntentUnexpectedState {
		return p.Get(ctx, id) // settled meanwhile
	}
	return payment.Outcome{}, plain(err)
}

// Refund implements payment.Provider. It looks for a refund first: a repetition after a lost answer finds it, and one
// after a failure can use a new key. Stripe itself refuses a second whole refund.
func (p *Provider) Refund(ctx context.Context, id, ref string, _ int64) (payment.Refund, error) {
	if r, found, err := p.given(ctx, id, ref); err != nil || found {
		return r, err
	}
	// Without an amount Stripe refunds what is left of the charge: all of it unless somebody refunded a part by hand.
	r, err := p.api.V1Refunds.Create(ctx, &stripe.RefundCreateParams{PaymentIntent: stripe.String(id),
		Metadata: map[string]string{"payment_id": ref}})
	var refused *stripe.Error
	if errors.As(err, &refused) && refused.Code == stripe.ErrorCodeChargeAlreadyRefunded {
		if r, found, err := p.given(ctx, id, ""); err != nil || found { // whole, made by somebody else
			return r, err
		}
	}
	if failed, never := notRefunded(err); never {
		return failed, nil
	}
	if err != nil {
		return payment.Refund{}, plain(err)
	}
	return refund(r), nil
}

// given returns a finished or pending refund of an intent: ours, if ref is given.
func (p *Provider) given(ctx context.Context, id, ref string) (payment.Refund, bool, error) {
	for r, err := range p.api.V1Refunds.List(ctx, &stripe.RefundListParams{PaymentIntent: stripe.String(id)}) {
		if err != nil {
			return payment.Refund{}, false, plain(err)
		}
		if now := refund(r); now.State != payment.RefundFailed && (ref == "" || r.Metadata["payment_id"] == ref) {
			return now, true, nil
		}
	}
	return payment.Refund{}, false, nil
}

// GetRefund implements payment.Provider.
func (p *Provider) GetRefund(ctx context.Context, _, refundID string) (payment.Refund, error) {
	r, err := p.api.V1Refunds.Retrieve(ctx, refundID, nil)
	if err != nil {
		return payment.Refund{}, plain(err)
	}
	return refund(r), nil
}

func refund(r *stripe.Refund) payment.Refund {
	out := payment.Refund{ID: r.ID, State: payment.RefundPending}
	switch r.Status {
	case stripe.RefundStatusSucceeded:
		out.State = payment.RefundSucceeded
	case stripe.RefundStatusFailed, stripe.RefundStatusCanceled:
		out.State, out.Reason = payment.RefundFailed, string(r.Status)
		if r.FailureReason != "" {
			out.Reason = string(r.FailureReason)
		}
	}
	return out // pending; requires_action: the shopper has to give Stripe a bank account; an unknown status
}

func declined(err error) (code string, refused bool) {
	var e *stripe.Error
	if !errors.As(err, &e) || e.Type != stripe.ErrorTypeCard {
		return "", false
	}
	return failure(e), true
}

func failure(e *stripe.Error) string {
	switch {
	case e.DeclineCode == stripe.DeclineCodeInsufficientFunds:
		return payment.InsufficientFunds
	case e.Code == stripe.ErrorCodePaymentIntentAuthenticationFailure:
		return payment.AuthenticationFailed
	}
	return payment.CardDeclined
}

func outcome(pi *stripe.PaymentIntent) payment.Outcome {
	var o payment.Outcome
	if pi.PaymentMethod != nil && pi.PaymentMethod.Card != nil {
		o.Card = payment.CardSummary{Brand: string(pi.PaymentMethod.Card.Brand), Last4: pi.PaymentMethod.Card.Last4}
	}
	switch pi.Status {
	case stripe.PaymentIntentStatusSucceeded:
		o.State = payment.StateSucceeded
	case stripe.PaymentIntentStatusCanceled:
		o.State = payment.StateCancelled
	case stripe.PaymentIntentStatusProcessing, stripe.PaymentIntentStatusRequiresCapture:
		o.State = payment.StateProcessing
	case stripe.PaymentIntentStatusRequiresAction:
		o.State, o.NextAction = payment.StateRequiresAction, action(pi)
	default: // requires a method or a confirmation
		o.State, o.Card = payment.StateCreated, payment.CardSummary{}
		if pi.ClientSecret != "" {
			o.NextAction = &payment.NextAction{Type: payment.ActionEnterCard, ClientSecret: pi.ClientSecret}
		}
		if pi.LastPaymentError != nil {
			o.FailureCode = failure(pi.LastPaymentError)
		}
	}
	return o
}

func action(pi *stripe.PaymentIntent) *payment.NextAction {
	if n := pi.NextAction; n != nil && n.RedirectToURL != nil && n.RedirectToURL.URL != "" {
		return &payment.NextAction{Type: payment.ActionRedirect, RedirectURL: n.RedirectToURL.URL,
			ClientSecret: pi.ClientSecret}
	}
	return &payment.NextAction{Type: payment.ActionStripeSDK, ClientSecret: pi.ClientSecret}
}

// String keeps the keys out of logs.
func (p *Provider) String() string { return fmt.Sprintf("stripe at %q", p.set.URL) }
