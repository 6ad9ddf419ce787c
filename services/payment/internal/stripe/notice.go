package stripe

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"

	stripe "github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/webhook"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/payment/internal/payment"
)

// Notice is described at payment.Notifier: a webhook, signed by Stripe within the last five minutes
// (https://docs.stripe.com/webhooks).
func (p *Provider) Notice(payload []byte, signature string) (payment.Notice, error) {
	event, err := p.verified(payload, signature)
	if err != nil {
		return payment.Notice{}, err
	}
	n := payment.Notice{ID: event.ID, Kind: string(event.Type)}
	// Only the id of the charge is read; Stripe is asked for its state.
	var object struct {
		ID            string `json:"id"`
		PaymentIntent string `json:"payment_intent"`
		Amount        int64  `json:"amount"`
		Currency      string `json:"currency"`
		Reason        string `json:"reason"`
		Status        string `json:"status"`
		Metadata      struct {
			PaymentID string `json:"payment_id"`
		} `json:"metadata"`
	}
	read := func() error {
		if event.Data == nil || json.Unmarshal(event.Data.Raw, &object) != nil || object.ID == "" {
			return problem.New(problem.BadRequest, "bad_request", "The event has no object that can be read.")
		}
		return nil
	}
	switch event.Type {
	case stripe.EventTypePaymentIntentSucceeded, stripe.EventTypePaymentIntentPaymentFailed,
		stripe.EventTypePaymentIntentRequiresAction,
		stripe.EventTypePaymentIntentCanceled, stripe.EventTypePaymentIntentProcessing:
		if err := read(); err != nil {
			return n, err
		}
		n.ChargeID = object.ID
		if event.Type == stripe.EventTypePaymentIntentSucceeded {
			n.Captured = object.Metadata.PaymentID
		}
	case stripe.EventTypeRefundCreated, stripe.EventTypeRefundUpdated, stripe.EventTypeRefundFailed,
		stripe.EventTypeChargeRefundUpdated:
		if err := read(); err != nil {
			return n, err
		}
		n.ChargeID, n.Refund = object.PaymentIntent, true
	case stripe.EventTypeChargeDisputeCreated, stripe.EventTypeChargeDisputeUpdated, stripe.EventTypeChargeDisputeClosed,
		stripe.EventTypeChargeDisputeFundsWithdrawn, stripe.EventTypeChargeDisputeFundsReinstated:
		if err := read(); err != nil {
			return n, err
		}
		n.Dispute = &payment.Dispute{ID: object.ID, ChargeID: object.PaymentIntent, Amount: object.Amount,
			Currency: strings.ToUpper(object.Currency),
			Reason:   object.Reason, Status: object.Status, At: time.Unix(event.Created, 0).UTC()}
	}
	return n, nil
}

func (p *Provider) verified(payload []byte, signature string) (event stripe.Event, err error) {
	secrets := strings.FieldsFunc(p.set.WebhookSecret, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(secrets) == 0 {
		return event, problem.NewUnavailable(errors.New("the secret stripe has no webhook_secret"), time.Minute,
			"Webhooks are not set up.")
	}
	for _, secret := range secrets {
		event, err = webhook.ConstructEventWithOptions(payload, signature, secret,
			webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
		if err == nil {
			return event, nil
		}
	}
	return event, problem.Wrap(err, problem.BadRequest, "bad_signature", "The signature is missing, wrong or too old.")
}
