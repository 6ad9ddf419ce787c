// Package payment is the domain of money: a bill per order, attempts to pay it, refunds. If the outcome of a charge is
// unknown the provider is queried; it is never charged again to find out (ADR 11).
package payment

import (
	"errors"
	"time"

	"daprmall.dev/services/kit/problem"
)

// BillStatus is the state of a bill: open → paid or closed → refunded.
type BillStatus string

// The states of a bill.
const (
	Open         BillStatus = "open"
	Paid         BillStatus = "paid"
	Closed       BillStatus = "closed"
	BillRefunded BillStatus = "refunded"
)

// Bill is what is to be paid for an order, and until when.
type Bill struct {
	OrderID  string
	UserID   string
	Amount   int64
	Currency string
	DueAt    time.Time
	Status   BillStatus
	Version  int64
}

// Status is the state of an attempt.
type Status string

// The states of an attempt. Processing and RequiresAction are under way: the attempt may still bring money. The others
// are final, except that Succeeded may become Refunded.
const (
	Processing     Status = "processing"
	RequiresAction Status = "requires_action" // the shopper has to do something: NextAction says what
	Succeeded      Status = "succeeded"
	Failed         Status = "failed"
	Cancelled      Status = "cancelled"
	Refunded       Status = "refunded"
)

// Failure codes.
const (
	CardDeclined      = "card_declined"
	InsufficientFunds = "insufficient_funds"
	// Interrupted: the card never reached the provider, which has cancelled the attempt.
	Interrupted = "interrupted"
	// ProviderUnavailable: the provider did not open the attempt.
	ProviderUnavailable = "provider_unavailable"
	// NotChargeable: the provider cannot take this amount in this currency.
	NotChargeable = "currency_not_supported"
	// AuthenticationFailed: the shopper did not pass the check of the card's bank (3-D Secure).
	AuthenticationFailed = "authentication_failed"
	// ActionExpired: the shopper had not done what the provider asked for when the time to pay ended.
	ActionExpired = "action_expired"
)

// ErrNotChargeable is returned by Create for an amount or currency that the provider will never accept.
var ErrNotChargeable = errors.New("the provider cannot take this amount in this currency")

// NextAction is what a shopper has to do before the money moves.
type NextAction struct {
	Type         string `json:"type"`
	RedirectURL  string `json:"redirect_url,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
}

// The types of actions.
const (
	// ActionRedirect: open RedirectURL; the provider sends the shopper back.
	ActionRedirect = "redirect_to_url"
	// ActionStripeSDK: hand ClientSecret to Stripe.js (handleNextAction).
	ActionStripeSDK = "use_stripe_sdk"
	// ActionEnterCard: hand ClientSecret to the provider's own card fields and confirm there; the card never comes here.
	ActionEnterCard = "enter_card"
	// ActionSandbox: POST {"approve": true} to RedirectURL, a path of this API.
	ActionSandbox = "confirm_in_sandbox"
)

// Payment is one attempt to pay a bill.
type Payment struct {
	ID          string
	OrderID     string
	UserID      string
	Provider    string
	ProviderID  string // "" until the provider has opened it
	Amount      int64
	Currency    string
	Status      Status
	Card        CardSummary // empty while the card is entered at the provider
	NextAction  *NextAction // of RequiresAction
	FailureCode string
	CreatedAt   time.Time
	UpdatedAt   time.Time

	Started Started // only of an attempt from StartNew
}

// Started is what SettleNew needs to know of the start of an attempt.
type Started struct {
	BillVersion int64
	At          time.Time // by the database's clock
	ReadAt      time.Time // the same moment by this process's clock
}

// now is the present time by the database's clock, extrapolated from the start of the attempt.
func (s Started) now() time.Time { return s.At.Add(time.Since(s.ReadAt)).UTC() }

// UnderWay reports whether the attempt can still bring money.
func (p Payment) UnderWay() bool { return p.Status == Processing || p.Status == RequiresAction }

// Hosted reports whether the card is entered at the provider. Of such an attempt an open charge without a card is
// normal; of others it is the sign of a crash before the card was sent.
func (p Payment) Hosted() bool { return p.Card.Brand == "" }

// CanStart returns why no attempt can start on a bill now, nil if one can. underWay is whether another attempt is under
// way.
func (b Bill) CanStart(now time.Time, underWay bool) error {
	switch {
	case b.Status == Paid:
		return problem.New(problem.Conflict, "already_paid", "The order is paid.")
	case b.Status != Open:
		return problem.New(problem.Conflict, "order_not_payable", "The order cannot be paid any more.")
	case !now.Before(b.DueAt):
		return problem.New(problem.Conflict, "order_not_payable", "The time to pay is over.")
	case underWay:
		return problem.New(problem.Conflict, "payment_in_progress", "A payment for this order is under way.")
	}
	return nil
}

// Settle applies the provider's answer to an attempt that is under way, and reports whether that changed it.
func (p *Payment) Settle(o Outcome, at time.Time) bool {
	if !p.UnderWay() {
		return false
	}
	before := *p
	switch o.State {
	case StateSucceeded:
		p.Status = Succeeded
	case StateFailed:
		p.Status, p.FailureCode = Failed, o.FailureCode
		if p.FailureCode == "" {
			p.FailureCode = CardDeclined
		}
	case StateCancelled:
		p.Status, p.FailureCode = Cancelled, o.FailureCode
	case StateRequiresAction:
		p.Status = RequiresAction
	case StateProcessing:
		p.Status = Processing
	default:
		return false
	}
	p.NextAction = nil
	if p.Status == RequiresAction {
		p.NextAction = o.NextAction
	}
	if p.Hosted() && p.Status == Succeeded { // before that another card may follow
		p.Card = o.Card
	}
	if p.Status == before.Status && p.Card == before.Card && sameAction(p.NextAction, before.NextAction) {
		return false
	}
	p.UpdatedAt = at
	return true
}

func sameAction(a, b *NextAction) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Restartable reports whether the attempt ended before the provider knew of it: the same request may start it again.
func (p Payment) Restartable() bool {
	return p.Status == Failed && p.FailureCode == ProviderUnavailable && p.ProviderID == ""
}

// Refusal is the answer for a failed attempt: 402 for the bank's decision, 503 if the provider was unreachable.
func (p Payment) Refusal() error {
	switch p.FailureCode {
	case InsufficientFunds:
		return problem.New(problem.PaymentRequired, InsufficientFunds, "The card has not enough money.")
	case CardDeclined:
		return problem.New(problem.PaymentRequired, CardDeclined, "The card was declined.")
	case AuthenticationFailed:
		return problem.New(problem.PaymentRequired, AuthenticationFailed,
			"The card's bank could not confirm that it was you.")
	case NotChargeable:
		return problem.New(problem.Conflict, NotChargeable, "The payment provider cannot take this amount in this currency.")
	case ProviderUnavailable:
		return problem.New(problem.Unavailable, "unavailable",
			"The payment provider cannot be reached right now.").After(2 * time.Second)
	}
	return nil
}
