package stripe

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	stripe "github.com/stripe/stripe-go/v82"

	"daprmall.dev/services/payment/internal/payment"
)

// refusedError is an error of Stripe's without secrets, for logs. Its own text is the whole answer, with an intent's
// client secret and details of the card.
type refusedError struct{ cause *stripe.Error }

func (e refusedError) Error() string {
	return fmt.Sprintf("Stripe: status %d, type %q, code %q, decline code %q, parameter %q, request %s",
		e.cause.HTTPStatusCode, e.cause.Type, e.cause.Code, e.cause.DeclineCode, e.cause.Param, e.cause.RequestID)
}

func (e refusedError) Unwrap() error { return e.cause }

// plain returns an error that may be logged.
func plain(err error) error {
	var refused *stripe.Error
	if errors.As(err, &refused) {
		return refusedError{refused}
	}
	return err
}

// notChargeable reports whether Stripe refused the amount or the currency, which it will always do.
func notChargeable(err error) bool {
	var e *stripe.Error
	if !errors.As(err, &e) || e.Type != stripe.ErrorTypeInvalidRequest {
		return false
	}
	switch e.Code {
	case stripe.ErrorCodeAmountTooSmall, stripe.ErrorCodeAmountTooLarge, stripe.ErrorCodeInvalidChargeAmount:
		return true
	}
	return e.Param == "amount" || e.Param == "currency"
}

// notRefunded returns the refund that Stripe refused to make. An unknown charge may belong to another account, whose
// key may be configured again.
func notRefunded(err error) (payment.Refund, bool) {
	var e *stripe.Error
	if !errors.As(err, &e) || e.Type != stripe.ErrorTypeInvalidRequest ||
		!slices.Contains([]int{http.StatusBadRequest, http.StatusPaymentRequired}, e.HTTPStatusCode) {
		return payment.Refund{}, false
	}
	return payment.Refund{State: payment.RefundFailed, Reason: string(e.Code)}, true
}
