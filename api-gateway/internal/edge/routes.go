package edge

import (
	"time"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/sidecar"
)

// Access says who may call a route. The policy decides; this is its default, what openapi.yaml declares
// (x-mall-access), and whether a token is read.
type Access string

// Who may call a route.
const (
	Anyone   Access = "anyone"   // a token, valid or not, is ignored
	Customer Access = "customer" // signed in
	Seller   Access = "seller"
	Admin    Access = "admin"
)

// KeyRule says what the gateway does with a request's header Idempotency-Key.
type KeyRule string

// The values of KeyRule.
const (
	KeyNone     KeyRule = ""         // not forwarded: the route is for anyone, or is idempotent by its method
	KeyOptional KeyRule = "optional" // forwarded if sent
	KeyRequired KeyRule = "required" // 400 without it
)

// RateClass says which rate limits a route has besides the usual one.
type RateClass string

// The values of RateClass. The usual limit is per replica, those about passwords are for all replicas together.
const (
	RateUsual    RateClass = ""         // per signed-in user, or per client address
	RateSignIn   RateClass = "signin"   // besides, per client address, and per account for failed tries
	RateAddress  RateClass = "address"  // besides, per client address: sign-up, and routes that send or redeem secrets
	RatePassword RateClass = "password" // besides, per user: routes that check the signed-in user's password
	RateCard     RateClass = "card"     // besides, per user and client address, for declined cards; per replica
)

// Route is one line of the table: a request, who may send it, and the service that answers.
type Route struct {
	Method, Path string   // Path as in openapi.yaml; the service knows it by the same name
	App          string   // the app id of the service that answers
	Apps         []string // or those that {service} in the path may name
	Access       Access
	Also         []string // roles besides Access that the default policy allows
	Key          KeyRule
	Rate         RateClass
	Headers      []string  // request headers that are forwarded besides the usual ones
	Shared       bool      // the answer is the same for everybody, and kept for a moment
	Bulk         bool      // requests that wait at the same time share an invocation (kit/bulk)
	Cookie       CookieUse // what it does with the cookie of a session
	Stream       bool      // an event stream, which the gateway writes itself
	File         *File     // set if the body is not JSON
}

// File says what file a route takes as its body. It is larger than a JSON body may be, and takes longer.
type File struct {
	Types    []string      // media types; texts are in UTF-8
	MaxBytes int64         // the sidecars of gateway and service let as much through (maxBodySize in dapr.yaml)
	Upload   time.Duration // how long a client may take to send it
	Wait     time.Duration // how long the service may take to answer
}

// timeout is how long the gateway waits for an answer.
func (r Route) timeout() time.Duration {
	if r.File != nil {
		return r.File.Wait
	}
	return sidecar.CallTimeout(r.App)
}

// productFile is a seller's file of products.
var productFile = &File{Types: []string{"text/csv", "application/jsonl", "application/x-ndjson"}, MaxBytes: 16 << 20,
	Upload: time.Minute, Wait: 20 * time.Second}

// pictureFile is a picture of a product.
var pictureFile = &File{Types: []string{"image/jpeg", "image/png", "image/webp"}, MaxBytes: 8 << 20,
	Upload: time.Minute, Wait: 30 * time.Second}

// consumers are the services that handle events.
var consumers = contracts.Consumers()

// everybody are all services, and own is the gateway, which answers for itself.
var everybody = append(names(contracts.Services), own)

const own = "gateway"

func names(all []contracts.Service) (names []string) {
	for _, s := range all {
		if !s.Edge {
			names = append(names, s.Name)
		}
	}
	return names
}

var admins = []string{"admin"}

// Routes is the table of all public routes. openapi.yaml describes the same ones; a test compares them.
func Routes() []Route {
	return []Route{
		// accounts
		{Method: "POST", Path: "/v1/users", App: "user", Access: Anyone, Rate: RateAddress},
		{Method: "POST", Path: "/v1/sessions", App: "auth", Access: Anyone, Rate: RateSignIn, Cookie: CookieSets},
		{Method: "POST", Path: "/v1/sessions/refresh", App: "auth", Access: Anyone, Cookie: CookieReads},
		{Method: "GET", Path: "/v1/sessions", App: "auth", Access: Customer},
		{Method: "DELETE", Path: "/v1/sessions/current", App: "auth", Access: Customer, Cookie: CookieEnds},
		{Method: "DELETE", Path: "/v1/sessions/{id}", App: "auth", Access: Customer},
		{Method: "POST", Path: "/v1/password-resets", App: "user", Access: Anyone, Rate: RateAddress},
		{Method: "POST", Path: "/v1/password-resets/confirm", App: "user", Access: Anyone, Rate: RateAddress},
		{Method: "POST", Path: "/v1/email-verifications", App: "user", Access: Customer},
		{Method: "POST", Path: "/v1/email-verifications/confirm", App: "user", Access: Anyone, Rate: RateAddress},
		{Method: "GET", Path: "/v1/me", App: "user", Access: Customer},
		{Method: "DELETE", Path: "/v1/me", App: "user", Access: Customer, Rate: RatePassword},
		{Method: "PUT", Path: "/v1/me/password", App: "user", Access: Customer, Rate: RatePassword},
		{Method: "POST", Path: "/v1/me/admin", App: "user", Access: Customer, Rate: RateAddress},
		{Method: "GET", Path: "/.well-known/jwks.json", App: "auth", Access: Anyone},

		// catalogue: the service checks that sellers change only their own products
		{Method: "GET", Path: "/v1/products", App: "product", Access: Anyone, Shared: true},
		{Method: "GET", Path: "/v1/categories", App: "product", Access: Anyone, Shared: true},
		{Method: "GET", Path: "/v1/products/{id}", App: "product", Access: Anyone, Shared: true},
		{Method: "POST", Path: "/v1/products", App: "product", Access: Seller, Key: KeyOptional},
		{Method: "GET", Path: "/v1/products/by-sku/{sku}", App: "product", Access: Seller},
		{Method: "PUT", Path: "/v1/products/by-sku/{sku}", App: "product", Access: Seller},
		{Method: "POST", Path: "/v1/products/import", App: "product", Access: Seller, File: productFile},
		{Method: "POST", Path: "/v1/products/{id}/pictures", App: "product", Access: Seller, Also: admins,
			File: pictureFile},
		{Method: "GET", Path: "/v1/pictures/{name}", App: "product", Access: Anyone, Shared: true},
		{Method: "GET", Path: "/v1/products/imports/{id}", App: "product", Access: Seller},
		{Method: "PATCH", Path: "/v1/products/{id}", App: "product", Access: Seller, Also: admins},
		{Method: "GET", Path: "/v1/seller/products", App: "product", Access: Seller},
		{Method: "GET", Path: "/v1/products/{id}/stock", App: "product", Access: Seller, Also: admins},
		{Method: "POST", Path: "/v1/products/{id}/stock", App: "product", Access: Seller, Also: admins, Key: KeyOptional},
		{Method: "DELETE", Path: "/v1/products/{id}", App: "product", Access: Seller, Also: admins},

		// cart
		{Method: "GET", Path: "/v1/cart", App: "cart", Access: Customer},
		{Method: "DELETE", Path: "/v1/cart", App: "cart", Access: Customer},
		{Method: "POST", Path: "/v1/cart/items", App: "cart", Access: Customer, Key: KeyOptional, Bulk: true},
		{Method: "PUT", Path: "/v1/cart/items/{product_id}", App: "cart", Access: Customer},
		{Method: "DELETE", Path: "/v1/cart/items/{product_id}", App: "cart", Access: Customer},

		// checkout
		{Method: "GET", Path: "/v1/countries/{code}", App: "checkout", Access: Anyone, Shared: true},
		{Method: "GET", Path: "/v1/currency", App: "checkout", Access: Anyone, Shared: true},
		{Method: "GET", Path: "/v1/addresses", App: "checkout", Access: Customer},
		{Method: "POST", Path: "/v1/addresses", App: "checkout", Access: Customer, Key: KeyOptional},
		{Method: "GET", Path: "/v1/addresses/{id}", App: "checkout", Access: Customer},
		{Method: "PUT", Path: "/v1/addresses/{id}", App: "checkout", Access: Customer},
		{Method: "DELETE", Path: "/v1/addresses/{id}", App: "checkout", Access: Customer},
		{Method: "POST", Path: "/v1/checkout/quote", App: "checkout", Access: Customer, Key: KeyOptional},
		{Method: "POST", Path: "/v1/checkout", App: "checkout", Access: Customer, Key: KeyRequired, Bulk: true},

		// orders: an order's new address comes from the address book, which checkout owns
		{Method: "GET", Path: "/v1/orders", App: "order", Access: Customer},
		{Method: "GET", Path: "/v1/orders/{id}", App: "order", Access: Customer, Also: admins},
		{Method: "GET", Path: "/v1/orders/{id}/events", App: "order", Access: Customer, Stream: true},
		{Method: "GET", Path: "/v1/orders/{id}/payments", App: "payment", Access: Customer, Also: admins},
		{Method: "GET", Path: "/v1/seller/orders", App: "order", Access: Seller},
		{Method: "PUT", Path: "/v1/orders/{id}/address", App: "checkout", Access: Customer},
		{Method: "POST", Path: "/v1/orders/{id}/cancel", App: "order", Access: Customer, Key: KeyOptional},

		// payments
		{Method: "POST", Path: "/v1/payments", App: "payment", Access: Customer, Key: KeyRequired, Rate: RateCard,
			Bulk: true},
		{Method: "GET", Path: "/v1/payments/{id}", App: "payment", Access: Customer},
		{Method: "POST", Path: "/v1/payments/{id}/cancel", App: "payment", Access: Customer, Key: KeyOptional},
		{Method: "POST", Path: "/v1/sandbox/payments/{id}/confirm", App: "payment", Access: Customer},
		// the signature covers the exact bytes of the body, which reach payment unchanged
		{Method: "POST", Path: "/v1/webhooks/stripe", App: "payment", Access: Anyone, Headers: []string{"Stripe-Signature"}},

		// admin
		{Method: "GET", Path: "/v1/admin/products", App: "product", Access: Admin},
		{Method: "GET", Path: "/v1/admin/orders/{id}", App: "order", Access: Admin},
		{Method: "GET", Path: "/v1/admin/orders/{id}/stock", App: "product", Access: Admin},
		{Method: "GET", Path: "/v1/admin/holds", App: "product", Access: Admin},
		{Method: "POST", Path: "/v1/admin/holds/{id}/release", App: "product", Access: Admin, Key: KeyOptional},
		{Method: "GET", Path: "/v1/admin/parked-events/{service}", Apps: consumers, Access: Admin},
		{Method: "POST", Path: "/v1/admin/parked-events/{service}/{event}/retry", Apps: consumers, Access: Admin},
		{Method: "POST", Path: "/v1/admin/parked-events/{service}/{event}/drop", Apps: consumers, Access: Admin},
		{Method: "GET", Path: "/v1/admin/settings/{service}", Apps: everybody, Access: Admin},
		{Method: "GET", Path: "/v1/admin/audit", App: "user", Access: Admin},
		{Method: "GET", Path: "/v1/admin/users", App: "user", Access: Admin},
		{Method: "PUT", Path: "/v1/admin/users/{id}/roles", App: "user", Access: Admin},
		{Method: "PUT", Path: "/v1/admin/users/{id}/ban", App: "user", Access: Admin},
		{Method: "DELETE", Path: "/v1/admin/users/{id}/ban", App: "user", Access: Admin},
	}
}
