package orderv1

import "time"

// Paths of the internal routes. Ids travel in bodies: Dapr keeps a breaker per path.
const (
	PathCreate  = "/internal/orders"         // checkout, with the user's token: creates an order
	PathFence   = "/internal/orders/fence"   // product: does this hold's order exist? If not, it never will
	PathGet     = "/internal/orders/get"     // payment, as itself: what has to be paid
	PathCancel  = "/internal/orders/cancel"  // product, with an admin's token: cancels an unpaid order
	PathAddress = "/internal/orders/address" // checkout, with the user's token: changes the address
	PathHistory = "/internal/orders/history" // api-gateway, with the user's token: the states of the user's own order
	PathChanges = "/internal/orders/changes" // api-gateway, as itself: what has changed in all orders
)

// Address is the copy of an address that an order keeps.
type Address struct {
	Recipient  string `json:"recipient"`
	Phone      string `json:"phone,omitempty"`
	Street     string `json:"street"`
	City       string `json:"city"`
	State      string `json:"state"`
	Country    string `json:"country"`
	PostalCode string `json:"postal_code"`
}

// CreateLine is a line with its price.
type CreateLine struct {
	ProductID string `json:"product_id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Quantity  int64  `json:"quantity"`
	ImageURL  string `json:"image_url,omitempty"`
}

// CreateRequest places an order for the user of the token. It is idempotent by order id: a repeat answers the order as
// it is now. The id of another user's order is refused (409 order_id_taken), and so is a fenced one (409
// checkout_expired). The order of a user who has too many unpaid ones is refused (409 too_many_open_orders), and its id
// is fenced.
type CreateRequest struct {
	OrderID  string       `json:"order_id"`
	Address  Address      `json:"address"`
	Lines    []CreateLine `json:"lines"`
	Shipping int64        `json:"shipping"`
	Currency string       `json:"currency"`
	FromCart bool         `json:"from_cart"`
}

// QueryMaxOpen is a parameter of PathCreate: how many unpaid orders the user may have, with this one; 0: any number. It
// is in the query, because an earlier version refuses unknown fields.
const QueryMaxOpen = "max_open_orders"

// FenceRequest asks for the order of a hold that has expired.
type FenceRequest struct {
	OrderID string `json:"order_id"`
}

// FenceAnswer reports whether there is an order. If not, a tombstone now prevents that it is ever created.
type FenceAnswer struct {
	Exists bool `json:"exists"`
}

// CancelRequest cancels an unpaid order of any user for an admin. A repetition with the same effect id succeeds.
type CancelRequest struct {
	OrderID  string `json:"order_id"`
	EffectID string `json:"effect_id"`
}

// GetRequest names an order.
type GetRequest struct {
	OrderID string `json:"order_id"`
}

// Payable is what payment needs to open a bill before the order's event has arrived.
type Payable struct {
	Found        bool      `json:"found"`
	OrderID      string    `json:"order_id"`
	UserID       string    `json:"user_id"`
	Status       string    `json:"status"`
	Total        int64     `json:"total"`
	Currency     string    `json:"currency"`
	PaymentDueAt time.Time `json:"payment_due_at"`
}

// AddressRequest changes the address of the user's own order while it awaits payment.
type AddressRequest struct {
	OrderID string  `json:"order_id"`
	Address Address `json:"address"`
}

// Order is an order as the REST API shows it; the routes that create it and change its address answer it.
type Order struct {
	ID           string    `json:"id"`
	Status       string    `json:"status"`
	Lines        []Line    `json:"lines"`
	Address      Address   `json:"address"`
	Subtotal     int64     `json:"subtotal"`
	Shipping     int64     `json:"shipping"`
	Total        int64     `json:"total"`
	Currency     string    `json:"currency"`
	PaymentDueAt time.Time `json:"payment_due_at"`
	CancelReason string    `json:"cancel_reason,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
	History      []Change  `json:"history"`
}

// Line is a product in an order, as it was when the order was placed.
type Line struct {
	ProductID string `json:"product_id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Quantity  int64  `json:"quantity"`
	LineTotal int64  `json:"line_total"`
	ImageURL  string `json:"image_url,omitempty"`
}

// Change is one step of an order's history.
type Change struct {
	Status string    `json:"status"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// History is what an own order has been so far. Changes after Next has what follows.
type History struct {
	Items []Change `json:"items"` // the first is at position 0
	Next  string   `json:"next"`
}

// ChangesRequest asks for what has changed since the answer whose next is After.
type ChangesRequest struct {
	After string `json:"after"`
}

// Changes are new entries of histories, by order and position. Some may come again. An order's first entry does not
// come. With Lost, After is not of this database, or too much has changed since: read the histories again.
type Changes struct {
	Items []OrderChange `json:"items"`
	Next  string        `json:"next"`
	Lost  bool          `json:"lost"`
}

// OrderChange is an entry at a position of an order's history.
type OrderChange struct {
	OrderID  string    `json:"order_id"`
	Position int       `json:"position"`
	Status   string    `json:"status"`
	At       time.Time `json:"at"`
	Reason   string    `json:"reason,omitempty"`
}
