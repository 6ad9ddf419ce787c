// Package cartv1 is what other services may know of carts: the peer route of the cart service.
package cartv1

// PathGet (checkout, with the user's token) gives the lines of the user's cart.
const PathGet = "/internal/cart"

// Cart is what a shopper wants to buy, without prices.
type Cart struct {
	Lines []Line `json:"lines"`
}

// Line is a quantity of a product.
type Line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}
