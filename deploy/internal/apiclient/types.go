package apiclient

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// User is an account.
type User struct {
	ID    string   `json:"id"`
	Email string   `json:"email"`
	Roles []string `json:"roles"`
}

// Session is the answer to a sign-in.
type Session struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
}

// Product is a product on sale.
type Product struct {
	ID        string `json:"id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Category  string `json:"category"`
	Price     int64  `json:"price"`
	Available int64  `json:"available"`
	Version   int64  `json:"version"`
}

// Line asks for a quantity.
type Line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}

// Cart is a shopper's cart.
type Cart struct {
	Items []Line `json:"items"`
	Total int64  `json:"total"`
}

// Order is an order.
type Order struct {
	ID           string    `json:"id"`
	Status       string    `json:"status"`
	Lines        []Line    `json:"lines"`
	Subtotal     int64     `json:"subtotal"`
	Shipping     int64     `json:"shipping"`
	Total        int64     `json:"total"`
	CancelReason string    `json:"cancel_reason"`
	PaymentDueAt time.Time `json:"payment_due_at"`
	Address      struct {
		City string `json:"city"`
	} `json:"address"`
	History []struct {
		Status string `json:"status"`
	} `json:"history"`
}

// Payment is an attempt to pay.
type Payment struct {
	ID      string `json:"id"`
	OrderID string `json:"order_id"`
	Amount  int64  `json:"amount"`
	Status  string `json:"status"`
}

// SignUp opens an account and signs in; an account that exists is only signed in.
func (c *Client) SignUp(ctx context.Context, email string) (*Client, error) {
	credentials := map[string]string{"email": email, "password": Password}
	a, err := c.Do(ctx, http.MethodPost, "/v1/users", credentials)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusCreated && a.Code() != "email_taken" {
		return nil, fmt.Errorf("sign up %s: %s", email, a)
	}
	return c.SignIn(ctx, email)
}

// SignIn returns a client with a token.
func (c *Client) SignIn(ctx context.Context, email string) (*Client, error) {
	var s Session
	err := c.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/sessions",
		map[string]string{"email": email, "password": Password}, &s)
	return c.As(s.AccessToken), err
}

// Address returns the id of a new address.
func (c *Client) Address(ctx context.Context, city string) (string, error) {
	var a struct{ ID string }
	err := c.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/addresses",
		map[string]string{"recipient": "Wei Chen", "street": "1 Century Avenue",
			"city": city, "state": city, "country": "CN", "postal_code": "200120"}, &a)
	return a.ID, err
}

// NewProduct puts a product on sale.
func (c *Client) NewProduct(ctx context.Context, name, category string, price, stock int64) (Product, error) {
	var p Product
	err := c.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/products",
		map[string]any{"name": name, "description": "For tests.", "category": category, "price": price, "stock": stock}, &p)
	return p, err
}

// Buy checks lines out and returns the answer: 201 with an order, or a problem.
func (c *Client) Buy(ctx context.Context, key, address string, lines ...Line) (Answer, error) {
	return c.Do(ctx, http.MethodPost, "/v1/checkout", map[string]any{"address_id": address, "items": lines},
		"Idempotency-Key", key)
}

// The sandbox's cards.
const (
	CardGood       = "4242424242424242"
	CardDeclined   = "4000000000000002"
	CardNoFunds    = "4000000000009995"
	CardUnanswered = "4000000000000259"
	CardSlow       = "4000000000000341"
	// The bank of these asks the shopper.
	CardAsked         = "4000002500003155"
	CardAskedEachTime = "4000002760003184"
)

// Pay pays an order with a card.
func (c *Client) Pay(ctx context.Context, key, order, card string) (Answer, error) {
	return c.Do(ctx, http.MethodPost, "/v1/payments", map[string]any{"order_id": order,
		"card": map[string]any{"number": card, "exp_month": 12, "exp_year": 2035, "cvc": "123"}}, "Idempotency-Key", key)
}

// Order returns an order.
func (c *Client) Order(ctx context.Context, id string) (Order, error) {
	var o Order
	err := c.Want(ctx, http.StatusOK, http.MethodGet, "/v1/orders/"+id, nil, &o)
	return o, err
}

// Product returns a product.
func (c *Client) Product(ctx context.Context, id string) (Product, error) {
	var p Product
	err := c.Want(ctx, http.StatusOK, http.MethodGet, "/v1/products/"+id, nil, &p)
	return p, err
}

// BecomeFirstAdmin shows a mall without an admin the secret it was set up with. The token is void after it.
func (c *Client) BecomeFirstAdmin(ctx context.Context, secret string) error {
	return c.Want(ctx, http.StatusOK, http.MethodPost, "/v1/me/admin", map[string]string{"secret": secret}, nil)
}
