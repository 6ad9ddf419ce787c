// Package stockv1 is product's contract with other services about stock: one event, for stock that was promised but is
// not there.
package stockv1

import "time"

// Topic carries stock events, keyed by the order's id.
const Topic = "mall-stock"

// TypeRejected is the type of Rejected.
const TypeRejected = "mall.stock.rejected.v1"

// Rejected says that the stock of a placed order is not there: the order has to be cancelled.
type Rejected struct {
	OrderID          string     `json:"order_id"`
	AggregateVersion int64      `json:"aggregate_version"`
	Shortages        []Shortage `json:"shortages"`
	At               time.Time  `json:"at"`
}

// Shortage says how much of a product was left.
type Shortage struct {
	ProductID string `json:"product_id"`
	Available int64  `json:"available"`
}
