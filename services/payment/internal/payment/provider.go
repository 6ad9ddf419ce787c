package payment

import (
	"context"
	"time"
)

// State is what a provider says of a charge.
type State string

// The states at a provider.
const (
	StateCreated        State = "created" // no card yet, or one that was refused: nothing can be captured before another comes
	StateRequiresAction State = "requires_action"
	StateProcessing     State = "processing"
	StateSucceeded      State = "succeeded"
	StateFailed         State = "failed"
	StateCancelled      State = "cancelled"
)

// Outcome is a provider's answer.
type Outcome struct {
	State       State
	FailureCode string      // of StateFailed; of StateCreated: why the last card was refused
	NextAction  *NextAction // of StateRequiresAction; of StateCreated: how a card can be entered, if the provider has fields for it
	Card        CardSummary // what the provider tells of a card that was entered there
}

// RefundState is what a provider says of money on its way back.
type RefundState string

// The states of a refund. Only RefundSucceeded means that the money is back, and the provider may still take that back.
const (
	RefundPending   RefundState = "pending" // asked for and accepted; also while the shopper has to do something
	RefundSucceeded RefundState = "succeeded"
	RefundFailed    RefundState = "failed" // no money went back, or it came back
)

// Refund is a refund at a provider.
type Refund struct {
	ID     string
	State  RefundState
	Reason string // of RefundFailed
}

// Provider moves money. Every call may fail without telling what it did: an error means that the outcome is unknown.
type Provider interface {
	Name() string
	// HostsCards says whether shoppers can enter their card at the provider: then Get of an open charge gives ActionEnterCard.
	HostsCards() bool
	// Create opens a charge without a card. A repeat may open another one: a charge without a card costs nothing. ErrNotChargeable
	// is definite.
	Create(ctx context.Context, ref string, amount int64, currency string) (id string, err error)
	// Confirm captures. It is called once per charge.
	Confirm(ctx context.Context, id string, card Card) (Outcome, error)
	Get(ctx context.Context, id string) (Outcome, error)
	// Cancel ends a charge that has captured nothing; the outcome says what it found: a success that was faster stays one.
	Cancel(ctx context.Context, id string) (Outcome, error)
	// Refund gives back all that a charge captured, unless a refund of it is under way or done already: it gives that one. After one
	// that failed it tries anew.
	Refund(ctx context.Context, id, ref string, amount int64) (Refund, error)
	// GetRefund gives a refund as it is now.
	GetRefund(ctx context.Context, id, refundID string) (Refund, error)
}

// Challenged is a provider whose shopper's part can be played through this API: the sandbox.
type Challenged interface {
	// Answer ends the challenge of a charge in StateRequiresAction; in any other state it does nothing.
	Answer(ctx context.Context, id string, approve bool) error
}

// Notice is what a provider told of its own accord. What it says of money is not believed but asked for: then neither its order nor
// its repeats matter, and one that never comes is only a delay.
type Notice struct {
	ID       string // the provider's, for the log
	Kind     string // the provider's word, for the log
	ChargeID string // the charge to look at, "" for none
	Refund   bool   // look at its refund
	Captured string // the payment for which, as the provider says, the charge has captured money
	Dispute  *Dispute
}

// Dispute is a charge that its cardholder contests.
type Dispute struct {
	ID       string
	ChargeID string
	Amount   int64 // in the provider's unit
	Currency string
	Reason   string
	Status   string
	At       time.Time // of the notice: an older one changes nothing
}

// Notifier is a provider that sends notices.
type Notifier interface {
	// Notice checks that the provider sent it; Unauthentic notices are refused.
	Notice(payload []byte, signature string) (Notice, error)
}
