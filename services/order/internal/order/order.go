// Package order is the domain of orders: what an order is, how it may change, and the events of each change.
package order

import (
	"slices"
	"time"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
)

// ID is an order's Snowflake id in decimal.
type ID string

// Status is the state of an order.
type Status string

// The states: AwaitingPayment → Paid or Cancelled. Money that arrives for a cancelled order, or for one without stock,
// is refunded and leads to Refunded.
const (
	AwaitingPayment Status = "awaiting_payment"
	Paid            Status = "paid"
	Cancelled       Status = "cancelled"
	Refunded        Status = "refunded"
)

// Reason says why an order was cancelled or money is refunded.
type Reason string

// The reasons.
const (
	ByShopper       Reason = "cancelled_by_shopper"
	ByOperator      Reason = "cancelled_by_operator"
	PaymentTimeout  Reason = "payment_timeout"
	OutOfStock      Reason = "out_of_stock"
	LatePayment     Reason = "paid_after_cancellation"
	SecondPayment   Reason = "paid_twice"
	WrongAmount     Reason = "wrong_amount"
	RefundCompleted Reason = "money_returned"
)

// Line is a product as it was when the order was placed.
type Line struct {
	ProductID string
	SellerID  string
	Name      string
	Price     int64
	Quantity  int64
	ImageURL  string // of the main picture, "" for none
}

// Total is the price of the line.
func (l Line) Total() int64 { return l.Price * l.Quantity } // cannot overflow: Place has checked it

// Address is where the order is sent: a copy, which later changes of the address book do not affect.
type Address struct {
	Recipient, Phone, Street, City, State, Country, PostalCode string
}

// HistoryEntry is one state that an order has had.
type HistoryEntry struct {
	Status Status
	At     time.Time
	Reason Reason
}

// Order is an order. Its state changes only through its methods, each of which can refuse.
type Order struct {
	state Snapshot
}

// Snapshot is an order's whole state, for stores and views. Changing a copy changes no order.
type Snapshot struct {
	ID           ID
	UserID       string
	Status       Status
	Lines        []Line
	Address      Address
	Subtotal     int64
	Shipping     int64
	Total        int64
	Currency     string
	FromCart     bool
	PaymentDueAt time.Time
	CancelReason Reason
	CancelledBy  string // effect id of the request that cancelled it, so that its repetition is recognised
	PaymentID    string // the payment that made it paid
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int64
	History      []HistoryEntry
}

// Draft is what a checkout asks for.
type Draft struct {
	ID       ID
	UserID   string
	Lines    []Line
	Address  Address
	Shipping int64
	Currency string
	FromCart bool
	MaxOpen  int64 // how many unpaid orders the shopper may have, with this one; 0: any number
}

// MaxLines is the largest number of lines of an order. Carts and checkouts have the same bound.
const MaxLines = 100

// Place makes an order that awaits payment until due.
func Place(d Draft, now, due time.Time) (*Order, []Event, error) {
	if len(d.Lines) == 0 || len(d.Lines) > MaxLines {
		return nil, nil, problem.New(problem.Invalid, "validation_failed", "An order has 1 to %d lines.", MaxLines)
	}
	subtotal := money.Of(0, d.Currency)
	seen := map[string]bool{}
	for _, l := range d.Lines {
		if l.Quantity < 1 || l.Price < 0 || seen[l.ProductID] {
			return nil, nil, problem.New(problem.Invalid, "validation_failed", "Line of product %s is not valid.", l.ProductID)
		}
		seen[l.ProductID] = true
		lineTotal, err := money.Of(l.Price, d.Currency).Times(l.Quantity)
		if err != nil {
			return nil, nil, problem.Wrap(err, problem.Invalid, "validation_failed", "The order is too expensive to be counted.")
		}
		if subtotal, err = subtotal.Add(lineTotal); err != nil {
			return nil, nil, problem.Wrap(err, problem.Invalid, "validation_failed", "The order is too expensive to be counted.")
		}
	}
	total, err := subtotal.Add(money.Of(d.Shipping, d.Currency))
	if err != nil || d.Shipping < 0 {
		return nil, nil, problem.New(problem.Invalid, "validation_failed", "The shipping fee is not valid.")
	}
	o := &Order{Snapshot{ID: d.ID, UserID: d.UserID, Lines: d.Lines, Address: d.Address, Subtotal: subtotal.Amount,
		Shipping: d.Shipping,
		Total:    total.Amount, Currency: d.Currency, FromCart: d.FromCart, PaymentDueAt: due, CreatedAt: now}}
	o.become(AwaitingPayment, now, "")
	return o, []Event{{Kind: EventPlaced, At: now}}, nil
}

// Restore makes an order from its snapshot.
func Restore(s Snapshot) *Order { return &Order{s} }

// Snapshot returns the order's state.
func (o *Order) Snapshot() Snapshot { return o.state }

// become records a new state.
func (o *Order) become(s Status, at time.Time, why Reason) {
	o.state.Status = s
	o.state.UpdatedAt = at
	o.state.Version++
	o.state.History = append(o.state.History, HistoryEntry{Status: s, At: at, Reason: why})
}

// Cancel ends an unpaid order. by is the effect id of the shopper's request, "" if the time to pay is over. A
// repetition succeeds without a second effect, even if a late payment has been refunded since.
func (o *Order) Cancel(why Reason, by string, at time.Time) ([]Event, error) {
	if by != "" && o.state.CancelledBy == by {
		return nil, nil
	}
	if o.state.Status != AwaitingPayment {
		return nil, problem.New(problem.Conflict, "order_not_cancellable", "The order is %s.", o.state.Status)
	}
	return o.cancel(why, by, at), nil
}

func (o *Order) cancel(why Reason, by string, at time.Time) []Event {
	o.state.CancelReason, o.state.CancelledBy = why, by
	o.become(Cancelled, at, why)
	return []Event{{Kind: EventCancelled, Reason: why, At: at}}
}

// Payment is money that arrived.
type Payment struct {
	ID       string
	Amount   int64
	Currency string
}

// ApplyPayment decides what a successful payment means: the order is paid, or the money is refunded. The inbox calls it
// once per payment.
func (o *Order) ApplyPayment(p Payment, at time.Time) []Event {
	refund := func(why Reason) []Event {
		o.state.Version++
		o.state.UpdatedAt = at
		return []Event{{Kind: EventRefundRequested, Reason: why, Payment: p, At: at}}
	}
	switch {
	case o.state.PaymentID == p.ID:
		return nil
	case o.state.Status == Paid:
		return refund(SecondPayment)
	case o.state.Status != AwaitingPayment:
		return refund(LatePayment)
	case p.Amount != o.state.Total || p.Currency != o.state.Currency:
		return refund(WrongAmount)
	}
	o.state.PaymentID = p.ID
	o.become(Paid, at, "")
	return []Event{{Kind: EventPaid, Payment: p, At: at}}
}

// CancelOutOfStock cancels an order whose stock turned out to be missing; paid money is refunded.
func (o *Order) CancelOutOfStock(at time.Time) []Event {
	switch o.state.Status {
	case AwaitingPayment:
		return o.cancel(OutOfStock, "", at)
	case Paid:
		events := o.cancel(OutOfStock, "", at)
		o.state.Version++
		p := Payment{ID: o.state.PaymentID, Amount: o.state.Total, Currency: o.state.Currency}
		return append(events, Event{Kind: EventRefundRequested, Reason: OutOfStock, Payment: p, At: at})
	}
	return nil // cancelled meanwhile for another reason
}

// RefundRequest is a payment that is to be refunded.
type RefundRequest struct {
	PaymentID string
	Reason    Reason
}

// MarkRefunded records that a payment was refunded; asked are all refunds requested for the order, oldest first. A
// cancelled order becomes refunded when its own payment is; the refund of a surplus payment, or of one that nobody
// requested, changes nothing.
func (o *Order) MarkRefunded(paymentID string, requested []RefundRequest, at time.Time) {
	if o.state.Status != Cancelled || !slices.ContainsFunc(requested,
		func(r RefundRequest) bool { return r.PaymentID == paymentID }) {
		return
	}
	if paymentID == o.ownPayment(requested) {
		o.become(Refunded, at, RefundCompleted)
	}
}

// ownPayment is the payment that paid the order or, if it was cancelled unpaid, the first that came too late.
func (o *Order) ownPayment(requested []RefundRequest) string {
	if o.state.PaymentID != "" {
		return o.state.PaymentID
	}
	for _, r := range requested {
		if r.Reason == LatePayment {
			return r.PaymentID
		}
	}
	return ""
}

// ChangeAddress changes where the order is sent while it awaits payment.
func (o *Order) ChangeAddress(a Address, at time.Time) error {
	if o.state.Status != AwaitingPayment {
		return problem.New(problem.Conflict, "order_not_changeable",
			"The order is %s; its address can be changed only while it awaits payment.", o.state.Status)
	}
	o.state.Address, o.state.UpdatedAt = a, at
	o.state.Version++
	return nil
}

// EventKind is a kind of change of an order.
type EventKind int

// The kinds of events.
const (
	EventPlaced EventKind = iota + 1
	EventPaid
	EventCancelled
	EventRefundRequested
)

// Event is a change of an order, published with the order's state after it.
type Event struct {
	Kind    EventKind
	Reason  Reason
	Payment Payment
	At      time.Time
}
