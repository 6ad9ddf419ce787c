// Package payment is the domain of money: a bill per order, attempts to pay it, refunds. What a provider did is learnt by asking it,
// never by charging again.
package payment

import (
	"context"
	"time"

	"daprmall.dev/services/kit/problem"
)

// BillStatus is where a bill stands: open → paid | closed → refunded.
type BillStatus string

// The states of a bill.
const (
	Open         BillStatus = "open"
	Paid         BillStatus = "paid"
	Closed       BillStatus = "closed"
	BillRefunded BillStatus = "refunded"
)

// Bill is what an order costs.
type Bill struct {
	OrderID  string
	UserID   string
	Amount   int64
	Currency string
	DueAt    time.Time
	Status   BillStatus
	Version  int64
}

// Status is where an attempt stands.
type Status string

// The states of an attempt. Only Processing is not final, except that money of Succeeded may go back.
const (
	Processing Status = "processing"
	Succeeded  Status = "succeeded"
	Failed     Status = "failed"
	Cancelled  Status = "cancelled"
	Refunded   Status = "refunded"
)

// Failure codes.
const (
	CardDeclined      = "card_declined"
	InsufficientFunds = "insufficient_funds"
	// Interrupted: the card never reached the provider, which has cancelled the attempt.
	Interrupted = "interrupted"
	// ProviderUnavailable: the provider did not even open the attempt.
	ProviderUnavailable = "provider_unavailable"
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
	Card        Shown
	FailureCode string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// State is what a provider says of a charge.
type State string

// The states at a provider.
const (
	StateCreated    State = "created" // no card yet: nothing can be captured
	StateProcessing State = "processing"
	StateSucceeded  State = "succeeded"
	StateFailed     State = "failed"
	StateCancelled  State = "cancelled"
)

// Outcome is a provider's answer.
type Outcome struct {
	State       State
	FailureCode string
}

// Provider moves money. Every call may fail without telling what it did: an error means that the outcome is unknown.
type Provider interface {
	Name() string
	// Create opens a charge without a card. ref makes a repeat give the same id.
	Create(ctx context.Context, ref string, amount int64, currency string) (id string, err error)
	// Confirm captures. It is called once per charge.
	Confirm(ctx context.Context, id string, card Card) (Outcome, error)
	Get(ctx context.Context, id string) (Outcome, error)
	// Cancel ends a charge that has captured nothing; the outcome says what it found: a success that was faster stays one.
	Cancel(ctx context.Context, id string) (Outcome, error)
	// Refund gives back what a charge captured; ref makes a repeat harmless.
	Refund(ctx context.Context, id, ref string, amount int64) error
}

// CanStart says why no attempt can start on a bill now; live is whether one is under way.
func (b Bill) CanStart(now time.Time, live bool) error {
	switch {
	case b.Status == Paid:
		return problem.New(problem.Conflict, "already_paid", "The order is paid.")
	case b.Status != Open:
		return problem.New(problem.Conflict, "order_not_payable", "The order cannot be paid any more.")
	case !now.Before(b.DueAt):
		return problem.New(problem.Conflict, "order_not_payable", "The time to pay is over.")
	case live:
		return problem.New(problem.Conflict, "payment_in_progress", "A payment for this order is under way.")
	}
	return nil
}

// Settle applies what the provider said to an attempt under way; it reports whether that changed it.
func (p *Payment) Settle(o Outcome, at time.Time) bool {
	if p.Status != Processing {
		return false
	}
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
	default:
		return false
	}
	p.UpdatedAt = at
	return true
}

// Revivable says whether the attempt ended before the provider knew of it: the same request may start it again.
func (p Payment) Revivable() bool {
	return p.Status == Failed && p.FailureCode == ProviderUnavailable && p.ProviderID == ""
}

// Refusal is what the caller is told of a failed attempt: 402 for what the card's bank said, 503 if the provider was away.
func (p Payment) Refusal() error {
	switch p.FailureCode {
	case InsufficientFunds:
		return problem.New(problem.PaymentRequired, InsufficientFunds, "The card has not enough money.")
	case CardDeclined:
		return problem.New(problem.PaymentRequired, CardDeclined, "The card was declined.")
	case ProviderUnavailable:
		return problem.New(problem.Unavailable, "unavailable", "The payment provider cannot be reached right now.").After(2 * time.Second)
	}
	return nil
}
