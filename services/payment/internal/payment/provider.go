package payment

import (
	"context"
	"time"
)

// State is the state of a charge at a provider.
type State string

// The states at a provider.
const (
	// StateCreated: there is no card yet, or the last one was refused. Without another card no money can be captured.
	StateCreated        State = "created"
	StateRequiresAction State = "requires_action"
	StateProcessing     State = "processing"
	StateSucceeded      State = "succeeded"
	StateFailed         State = "failed"
	StateCancelled      State = "cancelled"
)

// Outcome is what a provider reports of a charge. Without a State it is unknown.
type Outcome struct {
	State       State
	FailureCode string // of StateFailed; of StateCreated: why the last card was refused
	// of StateRequiresAction; of StateCreated: how a card can be entered, if the provider has fields for it
	NextAction *NextAction
	Card       CardSummary // of a card that was entered at the provider
}

// RefundState is the state of a refund at a provider.
type RefundState string

// The states of a refund. Only RefundSucceeded means that the shopper has the money, and the bank may still return it.
const (
	RefundPending   RefundState = "pending" // accepted; also while the shopper has to do something
	RefundSucceeded RefundState = "succeeded"
	RefundFailed    RefundState = "failed" // no money was refunded, or it was returned
)

// Refund is a refund at a provider.
type Refund struct {
	ID     string
	State  RefundState
	Reason string // of RefundFailed
}

// Provider moves money. After an error the outcome of a call is unknown: it may have had its effect.
type Provider interface {
	Name() string
	// HostsCards reports whether shoppers can enter their card at the provider: then Get of an open charge returns
	// ActionEnterCard.
	HostsCards() bool
	// Charges reports whether it takes a currency at all.
	Charges(currency string) bool
	// Create opens a charge without a card. A repetition may open another one, which costs nothing. ErrNotChargeable is
	// definite.
	Create(ctx context.Context, ref string, amount int64, currency string) (id string, err error)
	// Confirm captures the money. It is called once per charge.
	Confirm(ctx context.Context, id string, card Card) (Outcome, error)
	Get(ctx context.Context, id string) (Outcome, error)
	// Cancel ends a charge that has captured nothing. The outcome is what it found: an earlier success stays one.
	Cancel(ctx context.Context, id string) (Outcome, error)
	// Refund refunds all that a charge captured, unless a refund of it is under way or done: it returns that one. After a
	// failed one it tries again.
	Refund(ctx context.Context, id, ref string, amount int64) (Refund, error)
	// GetRefund returns a refund's present state.
	GetRefund(ctx context.Context, id, refundID string) (Refund, error)
}

// Challenged is a provider whose challenges can be answered through the mall's API: the sandbox.
type Challenged interface {
	// AnswerChallenge ends the challenge of a charge in StateRequiresAction; in any other state it does nothing.
	AnswerChallenge(ctx context.Context, id string, approve bool) error
}

// Notice is a provider's webhook. It only says which charge to query: so notices may come in any order and repeatedly,
// and a lost one causes only a delay.
type Notice struct {
	ID       string // the provider's, for the log
	Kind     string // the provider's word, for the log
	ChargeID string // the charge to look at, "" for none
	Refund   bool   // look at its refund
	Captured string // the payment's id, if the provider reports that the charge has captured money
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

// Notifier is a provider that sends webhooks.
type Notifier interface {
	// Notice checks the signature; notices without a valid one are refused.
	Notice(payload []byte, signature string) (Notice, error)
}
