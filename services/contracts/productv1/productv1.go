// Package productv1 is product's contract with other services: its internal routes for products and stock.
package productv1

import "time"

// Paths of the internal routes.
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

// HoldRequest holds stock for an order that is about to be placed. It is idempotent by order id.
type HoldRequest struct {
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}

// QueryMaxUnits is a parameter of PathHold: how many units of one product the user may have in running checkouts and
// unpaid orders, with this one; 0: any number. It is in the query, because an earlier version refuses unknown fields.
const QueryMaxUnits = "max_units"

// Results of a hold. They are answers, not errors.
const (
	Held    = "held"
	SoldOut = "sold_out" // Shortages says what is left
	// Unavailable: a product does not exist or is no longer sold. Shortages names it with 0. What is held stays held until
	// it is released.
	Unavailable = "unavailable"
	// TooMany: an order wants more of a product than one order may have. Shortages says how many that is. What is held
	// stays held until it is released.
	TooMany = "too_many"
	// TooManyHeld: the shopper would hold more units of a product than allowed, in running checkouts and unpaid orders.
	// Shortages says how many more they may hold, Own what they hold.
	TooManyHeld = "too_many_held"
	// HeldByOwn: sold out, but there would be enough without the shopper's own running checkouts and unpaid orders, which
	// Own names.
	HeldByOwn = "held_by_own"
)

// HoldAnswer carries the priced lines if the stock is held.
type HoldAnswer struct {
	Status    string       `json:"status"`
	Lines     []PricedLine `json:"lines"`
	Shortages []Shortage   `json:"shortages"`
	Own       []OwnHold    `json:"own,omitempty"` // of the products in Shortages
}

// OwnHold is what another order of the shopper holds of a product.
type OwnHold struct {
	ProductID string    `json:"product_id"`
	OrderID   string    `json:"order_id"`
	Quantity  int64     `json:"quantity"`
	Unpaid    bool      `json:"unpaid"` // false: a running checkout, whose order may or may not exist already
	Until     time.Time `json:"until"`  // when it ends, if the shopper does nothing
}

// PricedLine is a line with the product's present name and price.
type PricedLine struct {
	ProductID string `json:"product_id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Currency  string `json:"currency"`
	Quantity  int64  `json:"quantity"`
	ImageURL  string `json:"image_url,omitempty"` // of the main picture; none if it is longer than MaxOrderedImage
}

// MaxOrderedImage is the length of the longest address of a picture that an order keeps, in bytes. A list of orders has
// many of them, and long addresses are usually valid for a short time only.
const MaxOrderedImage = 512

// Shortage says what is left of a product or, of TooMany, how many units one order may have.
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

// GetAnswer has the products that are on sale; others are left out.
type GetAnswer struct {
	Products []Product `json:"products"`
}

// Product is what other services may show of a product. Available comes from PostgreSQL.
type Product struct {
	ID          string `json:"id"`
	SellerID    string `json:"seller_id"`
	Name        string `json:"name"`
	Price       int64  `json:"price"`
	Currency    string `json:"currency"`
	Available   int64  `json:"available"`
	ImageURL    string `json:"image_url,omitempty"`     // of the main picture
	Untracked   bool   `json:"untracked,omitempty"`     // never sold out; available is then the largest quantity
	MaxPerOrder int64  `json:"max_per_order,omitempty"` // the most units that one order may have; 0: no maximum
}
