// Package cartv1 is cart's contract with other services: its internal route.
package cartv1

import "time"

const (
	// PathGet (checkout, with the user's token) returns the user's Cart.
	PathGet = "/internal/cart"
	// PathTake (checkout, with the user's token) takes what an order has bought out of the user's cart, once per order, as
	// the order's event does later or has done already.
	PathTake = "/internal/cart/take"
)

// Cart holds what a shopper wants to buy.
type Cart struct {
	Lines []Line `json:"lines"`
	// Applied are the effects of at least the last AppliedFor on this cart, orders among them.
	Applied []string `json:"applied"`
}

// AppliedFor is how long a cart's effects are told to others.
const AppliedFor = 15 * time.Minute

// Line is a quantity of a product.
type Line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
	SeenPrice *int64 `json:"seen_price,omitempty"` // minor units; nil: not known
}

// TakeRequest names an order and what it has bought.
type TakeRequest struct {
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}
