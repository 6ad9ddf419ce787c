// Package productv1 is what other services may know of products and stock: the peer routes of the product service.
package productv1

// Paths of the peer routes.
const (
	PathHold    = "/internal/holds"         // checkout: hold all lines of an order at once, get names and prices
	PathRelease = "/internal/holds/release" // checkout: give a hold back after a definite refusal
	PathGet     = "/internal/products/get"  // cart, checkout: products by id
)

// Line asks for a quantity of a product.
type Line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}

// HoldRequest holds stock for an order that is about to be placed. Idempotent by order id.
type HoldRequest struct {
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}

// Verdicts of a hold. They are answers, not errors.
const (
	Held    = "held"
	SoldOut = "sold_out" // Shortages says what is left
	// Unavailable: a product does not exist or is not sold any more. Shortages names it with 0; what is held stays so
	// until it is released.
	Unavailable = "unavailable"
)

// HoldAnswer carries the priced lines if the stock is held.
type HoldAnswer struct {
	Status    string       `json:"status"`
	Lines     []PricedLine `json:"lines"`
	Shortages []Shortage   `json:"shortages"`
}

// PricedLine is a line with the catalogue's present name and price.
type PricedLine struct {
	ProductID string `json:"product_id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Currency  string `json:"currency"`
	Quantity  int64  `json:"quantity"`
}

// Shortage says what is left of a product.
type Shortage struct {
	ProductID string `json:"product_id"`
	Available int64  `json:"available"`
}

// ReleaseRequest names the order whose hold ends.
type ReleaseRequest struct {
	OrderID string `json:"order_id"`
}

// GetRequest asks for products; at most 200 ids.
type GetRequest struct {
	IDs []string `json:"ids"`
}

// GetAnswer has the products that are on sale; the others are missing.
type GetAnswer struct {
	Products []Product `json:"products"`
}

// Product is what peers may show of a product. Available comes from PostgreSQL.
type Product struct {
	ID        string `json:"id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Currency  string `json:"currency"`
	Available int64  `json:"available"`
}
