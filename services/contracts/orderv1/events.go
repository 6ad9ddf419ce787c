// Package orderv1 is order's contract with other services: its events and its internal routes.
package orderv1

import "time"

// Topic carries every event of an order, keyed by its id.
const Topic = "mall-orders"

// Event types.
const (
	TypePlaced          = "mall.order.placed.v1"
	TypePaid            = "mall.order.paid.v1"
	TypeCancelled       = "mall.order.cancelled.v1"
	TypeRefundRequested = "mall.order.refund-requested.v1"
)

// Reasons of a cancellation.
const (
	ReasonByShopper  = "cancelled_by_shopper"
	ReasonByOperator = "cancelled_by_operator"
	ReasonTimeout    = "payment_timeout"
	ReasonOutOfStock = "out_of_stock"
)

// Reasons of a refund.
const (
	ReasonLatePayment   = "paid_after_cancellation"
	ReasonSecondPayment = "paid_twice"
	ReasonWrongAmount   = "wrong_amount"
)

// EventLine is one product of an order.
type EventLine struct {
	ProductID string `json:"product_id"`
	SellerID  string `json:"seller_id"`
	Quantity  int64  `json:"quantity"`
	Price     int64  `json:"price"` // of one unit, in minor units
}

// Placed says that an order exists and awaits payment.
type Placed struct {
	OrderID          string      `json:"order_id"`
	AggregateVersion int64       `json:"aggregate_version"`
	UserID           string      `json:"user_id"`
	Lines            []EventLine `json:"lines"`
	Total            int64       `json:"total"` // what has to be paid, in minor units
	Currency         string      `json:"currency"`
	FromCart         bool        `json:"from_cart"` // the lines were taken from the shopper's cart
	PlacedAt         time.Time   `json:"placed_at"`
	PaymentDueAt     time.Time   `json:"payment_due_at"`
}

// Paid says that the money for an order has arrived.
type Paid struct {
	OrderID          string      `json:"order_id"`
	AggregateVersion int64       `json:"aggregate_version"`
	UserID           string      `json:"user_id"`
	PaymentID        string      `json:"payment_id"`
	Lines            []EventLine `json:"lines"`
	Amount           int64       `json:"amount"`
	Currency         string      `json:"currency"`
	At               time.Time   `json:"at"`
}

// Cancelled says that an order will not be paid. It carries its lines, so that a consumer that did not see the order
// placed can write the closed record at once.
type Cancelled struct {
	OrderID          string `json:"order_id"`
	AggregateVersion int64  `json:"aggregate_version"`
	UserID           string `json:"user_id"`
	// cancelled_by_shopper, cancelled_by_operator, payment_timeout or out_of_stock; there may be more
	Reason   string      `json:"reason"`
	Lines    []EventLine `json:"lines"`
	Total    int64       `json:"total"`
	Currency string      `json:"currency"`
	At       time.Time   `json:"at"`
}

// RefundRequested says that a payment arrived for an order that cannot take it any more: the money must be given back,
// once per payment.
type RefundRequested struct {
	OrderID          string    `json:"order_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	PaymentID        string    `json:"payment_id"`
	Amount           int64     `json:"amount"`
	Currency         string    `json:"currency"`
	Reason           string    `json:"reason"` // paid_after_cancellation, paid_twice or wrong_amount; there may be more
	At               time.Time `json:"at"`
}
