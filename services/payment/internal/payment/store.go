package payment

import (
	"context"
	"errors"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
)

// Store keeps bills, attempts and refunds. now is the database's clock.
type Store interface {
	// OpenBills writes open bills for those orders that have no bill yet. A free bill is paid at once: it is written with
	// its payment and the event of it, in one transaction.
	OpenBills(ctx context.Context, bills ...Bill) error
	// FindBill returns the bill of an order, or ErrNoBill.
	FindBill(ctx context.Context, orderID string) (Bill, error)
	// AwaitBill returns a channel that is closed when the order has a bill, soon after this or another replica has written
	// it. The caller calls done at the end.
	AwaitBill(orderID string) (there <-chan struct{}, done func())
	// CloseBill closes an open bill; if there is none it writes a closed one, so that a late order.placed opens none. A
	// paid bill stays paid.
	CloseBill(ctx context.Context, b Bill) error
	// Start locks the bill of p's order and writes the attempt p if decide allows it (underWay: another attempt is under
	// way). If an attempt with p's id exists it is returned instead (found), unless it is Restartable: then it starts
	// again. ErrNoBill if there is no bill.
	Start(ctx context.Context, p Payment, decide func(b Bill, now time.Time, underWay bool) error) (started *Payment,
		found bool, err error)
	// StartNew is Start and the claim of a key by one statement, if p's user has an open bill, nobody has claimed the key,
	// and no other attempt is under way. Otherwise it starts nothing and returns nil; if the bill changes at the same
	// moment, the key stays claimed with p's id.
	StartNew(ctx context.Context, p Payment, run keyed.Run) (*Payment, error)
	// SettleNew writes the success of an attempt from StartNew, its event, and the answer of its key by one statement, if
	// neither bill nor attempt has changed since. Otherwise it writes nothing and returns false.
	SettleNew(ctx context.Context, p Payment, run keyed.Run, answer keyed.Answer) (bool, error)
	// Opened writes the provider's id of an attempt; false if the attempt is no longer under way.
	Opened(ctx context.Context, id, providerID string) (bool, error)
	// Abandon cancels an attempt that is under way and has no provider's id, so that Opened returns false from then on. It
	// returns the attempt as it is now.
	Abandon(ctx context.Context, id, why string) (*Payment, error)
	Find(ctx context.Context, id string) (*Payment, error)
	// ListOfOrder returns the attempts to pay an order, newest first, those older than before ("" for all).
	ListOfOrder(ctx context.Context, orderID, before string, limit int) ([]*Payment, error)
	// Settle applies an outcome to an attempt, and of a success also pays the bill and writes the event, in one
	// transaction.
	Settle(ctx context.Context, id string, o Outcome) (*Payment, error)
	// NextUnsettled claims, for ten seconds, an attempt of one of these providers that is due to be checked: some seconds
	// after its request must have ended, or when ScheduleCheck said. billOpen reports whether the attempt may still
	// succeed: its bill is open and, if it waits for the shopper, the time to pay is not over.
	NextUnsettled(ctx context.Context, providers []string) (p *Payment, billOpen bool, err error)
	// ScheduleCheck sets when an attempt is checked next.
	ScheduleCheck(ctx context.Context, id string) error
	// RequestRefund writes the request for a refund, once per payment. An unknown payment is an error.
	RequestRefund(ctx context.Context, paymentID string, amount int64) error
	// NextRefund claims a refund of one of these providers that is due to be made or to be checked. A refund that is done
	// is checked too, because the bank may return the money.
	NextRefund(ctx context.Context, providers []string) (*RefundRequest, error)
	// KeepRefund writes what a provider reports of a refund, and when it is checked next: the money was refunded (with the
	// event), it was returned by the bank, or the refund is pending or has failed.
	KeepRefund(ctx context.Context, paymentID string, r Refund) error
	// CheckNow makes a charge, or its refund, due to be checked. found reports whether there is an attempt with that
	// charge, requested whether its refund was requested.
	CheckNow(ctx context.Context, provider, chargeID string, refund bool) (found, requested bool, err error)
	// KeepDispute writes the state of a dispute; fresh reports whether the dispute is new.
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
	Failed   bool // the last refund at the provider failed: make another
}

// Health is work that needs an operator.
type Health struct {
	Waiting  map[string]int64 // by provider that is not set up: its attempts and refunds
	Failed   int64            // refunds that have failed, and of which none has succeeded since
	Parked   int64            // of these, those that only an operator tries again
	Disputes int64            // that are not closed
}

// ErrNoBill means that there is no bill of the order yet; OpenBill asks order for it.
var ErrNoBill = errors.New("no bill of this order")
