// Package cartv1 is cart's contract with other services: its internal route.
package cartv1

// PathGet (checkout, with the user's token) returns the lines of the user's cart.
const PathGet = "/internal/cart"

// Cart holds what a shopper wants to buy, without prices.
type Cart struct {
	Lines []Line `json:"lines"`
}

// Line is a quantity of a product.
type Line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}
