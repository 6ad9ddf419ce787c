package payment

import (
	"context"
	"errors"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
)

// Store keeps bills, attempts and refunds. now is the database's clock.
type Store interface {
	// OpenBills keeps bills of orders that have none yet, open or closed.
	OpenBills(ctx context.Context, bills ...Bill) error
	// AwaitBill returns a channel that is closed when payment hears of an order from now on, or has heard of it already as
	// far as can be told; done ends the waiting.
	AwaitBill(orderID string) (there <-chan struct{}, done func())
	// CloseBill closes an open bill, or writes it closed at once. A paid one stays paid.
	CloseBill(ctx context.Context, b Bill) error
	// Start keeps an attempt that decide allows to pay the bill of p's order, under the bill's lock; an attempt with p's
	// id that exists is returned instead (found), unless it is revivable. ErrNoBill if there is no bill.
	Start(ctx context.Context, p Payment, decide func(b Bill, now time.Time, live bool) error) (kept *Payment, found bool,
		err error)
	// StartNew is Start and the claim of a key by one statement, where nothing is in its way: an open bill of p's user, a
	// key that nobody has claimed, no other attempt under way. Else it starts nothing and gives nil; a bill that changes
	// at the same moment leaves the key claimed with p's id.
	StartNew(ctx context.Context, p Payment, run keyed.Run) (*Payment, error)
	// SettleNew keeps a success of an attempt that StartNew has kept, its event, and the answer of its key by one
	// statement, where nobody has changed bill or attempt since. Else it keeps nothing and gives false.
	SettleNew(ctx context.Context, p Payment, run keyed.Run, answer keyed.Answer) (bool, error)
	// Opened keeps the provider's id of an attempt under way; false if it is not under way any more.
	Opened(ctx context.Context, id, providerID string) (bool, error)
	// Abandon cancels an attempt under way that no provider has opened; Opened refuses it from then on. It gives the
	// attempt as it is now.
	Abandon(ctx context.Context, id, why string) (*Payment, error)
	Find(ctx context.Context, id string) (*Payment, error)
	// Settle changes an attempt, its bill, and writes the event of a success, together.
	Settle(ctx context.Context, id string, o Outcome) (*Payment, error)
	// NextUnsettled claims an attempt of one of these providers under way whose time to be looked at has come: some
	// seconds after its request must have ended, or sooner by ScheduleCheck. wanted says whether it may still bring money:
	// its bill is open and, if the shopper has to do something, the time to pay is not over.
	NextUnsettled(ctx context.Context, providers []string) (p *Payment, billOpen bool, err error)
	ScheduleCheck(ctx context.Context, id string) error
	// AskRefund keeps the request for a refund, once per payment. An unknown payment is an error.
	AskRefund(ctx context.Context, paymentID string, amount int64) error
	// NextRefund claims a refund of one of these providers that has to be asked for or looked at, also one that was done
	// some time ago.
	NextRefund(ctx context.Context, providers []string) (*RefundRequest, error)
	// KeepRefund keeps what a provider says of a refund: money that went back, with its event; money that came back after
	// all; a refund that waits or has failed, and when it is looked at again.
	KeepRefund(ctx context.Context, paymentID string, r Refund) error
	// CheckNow makes the settler look at a charge, and at its refund; found is whether there is an attempt with that
	// charge, asked whether its refund was asked for.
	CheckNow(ctx context.Context, provider, chargeID string, refund bool) (found, asked bool, err error)
	// KeepDispute keeps a dispute; fresh is whether it was not known before.
	KeepDispute(ctx context.Context, provider string, d Dispute) (fresh bool, err error)
	// Health counts what needs an operator: work of providers that are not among these, refunds that failed, open
	// disputes.
	Health(ctx context.Context, providers []string) (Health, error)
}

// RefundRequest is a refund that order requested.
type RefundRequest struct {
	Payment  Payment
	RefundID string // the provider's id, "" before it has one
	Done     bool
	Failed   bool // the last one failed: try another
}

// Health is work that needs an operator.
type Health struct {
	Waiting  map[string]int64 // by provider: attempts and refunds of one that is not set up
	Failed   int64            // refunds that failed and are not back yet
	Parked   int64            // of these, those that are not tried again by themselves
	Disputes int64            // that are not closed
}

// ErrNoBill means that payment has not heard of an order yet: OpenBill asks for it.
var ErrNoBill = errors.New("no bill of this order")
