// Package paymentv1 is payment's contract with other services: its events.
package paymentv1

import "time"

// Topic carries every event of a bill, keyed by the order's id.
const Topic = "mall-payments"

// Event types.
const (
	TypeSucceeded = "mall.payment.succeeded.v1"
	TypeRefunded  = "mall.payment.refunded.v1"
)

// Succeeded says that money was captured for an order. Payment reports every success; order decides what it means.
type Succeeded struct {
	PaymentID        string    `json:"payment_id"`
	OrderID          string    `json:"order_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	Amount           int64     `json:"amount"`
	Currency         string    `json:"currency"`
	At               time.Time `json:"at"`
}

// Refunded says that the money of a payment went back.
type Refunded struct {
	PaymentID        string    `json:"payment_id"`
	OrderID          string    `json:"order_id"`
	AggregateVersion int64     `json:"aggregate_version"`
	Amount           int64     `json:"amount"`
	Currency         string    `json:"currency"`
	At               time.Time `json:"at"`
}
