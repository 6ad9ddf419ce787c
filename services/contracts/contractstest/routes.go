package contractstest

import (
	"net/http"
	"slices"
	"time"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/contracts/cartv1"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/outbox"
)

// Route is a call that one service makes of another.
type Route struct {
	Service      string
	Name         string // operationId, and the name of its examples
	Method, Path string
	Says         string
	Callers      []string // nil: every app
	User         bool     // it carries the user's token
	UserOptional bool     // … but earlier versions of the caller send none
	Shared       bool     // several calls of it may share an invocation (kit/bulk)
	Query        []Param
	Status       int
	In, Out      any      // examples of the bodies, nil for none
	Refusals     []string // the codes of refusals, besides validation_failed and caller_not_allowed
}

// Param is a parameter of the query.
type Param struct{ Name, Says, Example string }

// Package is the name of a service's contract package, which contains its OpenAPI file.
func Package(service string) string { return service + "v1" }

var address = orderv1.Address{Recipient: "Li Lei", Phone: "+86 27 8888 8888", Street: "1 Luoyu Road", City: "Wuhan",
	State: "Hubei", Country: "CN", PostalCode: "430070"}

// image is the address of a picture.
const image = "https://images.example.com/teapot.jpg"

// Routes are all routes between services, ordered so that the examples can be called one after the other: each finds
// what the earlier ones created.
func Routes() []Route {
	seen := int64(12900)
	routes := []Route{
		{
			Service: "order", Name: "createOrder", Method: http.MethodPost, Path: orderv1.PathCreate,
			Callers: []string{"checkout"}, User: true, Status: http.StatusOK,
			Shared: true,
			Says: "Creates the order of a checkout, with its event. Idempotent by order id: a repeat answers the order as it " +
				"is now.",
			In: orderv1.CreateRequest{OrderID: "7001", Address: address, Shipping: 1000, Currency: "CNY", FromCart: true,
				Lines: []orderv1.CreateLine{
					{ProductID: "501", SellerID: "5", Name: "Teapot", Price: 12900, Quantity: 2, ImageURL: image},
					{ProductID: "502", SellerID: "6", Name: "茶杯", Price: 4500, Quantity: 1}}},
			Query: []Param{{orderv1.QueryMaxOpen, "how many unpaid orders the user may have, with this one; 0: any number",
				"50"}},
			Out:      order(orderv1.Change{Status: "awaiting_payment", At: noon}),
			Refusals: []string{"order_id_taken", "checkout_expired", "too_many_open_orders"},
		}, {
			Service: "order", Name: "changeOrderAddress", Method: http.MethodPost, Path: orderv1.PathAddress,
			Callers: []string{"checkout"}, User: true, Status: http.StatusOK,
			Says:     "Changes the address of the user's own order while it awaits payment.",
			In:       orderv1.AddressRequest{OrderID: "7001", Address: address},
			Out:      order(orderv1.Change{Status: "awaiting_payment", At: noon}),
			Refusals: []string{"not_found", "order_not_changeable"},
		}, {
			Service: "order", Name: "fenceOrder", Method: http.MethodPost, Path: orderv1.PathFence,
			Callers: []string{"product", "checkout"}, Status: http.StatusOK,
			Says: "Reports whether the order of an expired hold exists. If it does not, it can never be created afterwards.",
			In:   orderv1.FenceRequest{OrderID: "7001"}, Out: orderv1.FenceAnswer{Exists: true},
		}, {
			Service: "order", Name: "getPayable", Method: http.MethodPost, Path: orderv1.PathGet, Callers: []string{"payment"},
			Status: http.StatusOK,
			Says:   "What has to be paid, for a bill whose event has not arrived yet.",
			In:     orderv1.GetRequest{OrderID: "7001"},
			Out: orderv1.Payable{Found: true, OrderID: "7001", UserID: "42", Status: "awaiting_payment", Total: 31300,
				Currency:     "CNY",
				PaymentDueAt: noon.Add(15 * time.Minute)},
		}, {
			Service: "order", Name: "cancelOrder", Method: http.MethodPost, Path: orderv1.PathCancel,
			Callers: []string{"product"}, User: true, Status: http.StatusOK,
			Says: "Cancels an unpaid order of any user for an admin. A repetition with the same effect id succeeds.",
			In:   orderv1.CancelRequest{OrderID: "7001", EffectID: "9001"},
			Out: order(orderv1.Change{Status: "awaiting_payment", At: noon},
				orderv1.Change{Status: "cancelled", At: noon, Reason: orderv1.ReasonByOperator}),
			Refusals: []string{"forbidden", "not_found", "order_not_cancellable"},
		}, {
			Service: "order", Name: "getOrderHistory", Method: http.MethodPost, Path: orderv1.PathHistory,
			Callers: []string{"api-gateway"}, User: true, Status: http.StatusOK,
			Says: "What the user's own order has been so far, with the cursor from which on listOrderChanges has what " +
				"follows.",
			In: orderv1.GetRequest{OrderID: "7001"},
			Out: orderv1.History{Next: "1000", Items: []orderv1.Change{{Status: "awaiting_payment", At: noon},
				{Status: "cancelled", At: noon, Reason: orderv1.ReasonByOperator}}},
			Refusals: []string{"not_found"},
		}, {
			Service: "order", Name: "listOrderChanges", Method: http.MethodPost, Path: orderv1.PathChanges,
			Callers: []string{"api-gateway"}, Status: http.StatusOK,
			Says: "New entries of the histories of all orders since the answer that gave the cursor. Some may come again. " +
				"lost: the cursor is not of this database, or too much has changed since; read the histories again.",
			In: orderv1.ChangesRequest{After: "1"},
			Out: orderv1.Changes{Next: "1000", Items: []orderv1.OrderChange{{OrderID: "7001", Position: 1,
				Status: "cancelled", At: noon, Reason: orderv1.ReasonByOperator}}},
		}, {
			Service: "product", Name: "holdStock", Method: http.MethodPost, Path: productv1.PathHold,
			Callers: []string{"checkout"}, User: true, UserOptional: true, Status: http.StatusOK,
			Shared: true,
			Says: "Holds all lines of an order or none, and prices them. Idempotent by order id; sold out is an answer. " +
				"Without a token nothing bounds what the shopper holds.",
			Query: []Param{{productv1.QueryMaxUnits,
				"how many units of one product the user may have in running checkouts and unpaid orders; 0: any number", "1000"}},
			In: productv1.HoldRequest{OrderID: "7001", Lines: []productv1.Line{{ProductID: "501", Quantity: 2}}},
			Out: productv1.HoldAnswer{Status: productv1.Held, Shortages: []productv1.Shortage{}, Lines: []productv1.PricedLine{
				{ProductID: "501", SellerID: "5", Name: "Teapot", Price: 12900, Currency: "CNY", Quantity: 2,
					ImageURL: image}}},
		}, {
			Service: "product", Name: "getProducts", Method: http.MethodPost, Path: productv1.PathGet,
			Callers: []string{"cart", "checkout"}, Status: http.StatusOK,
			Shared: true,
			Says:   "Products as they are now, at most 200; those not on sale are missing.",
			In:     productv1.GetRequest{IDs: []string{"501"}},
			Out: productv1.GetAnswer{Products: []productv1.Product{{ID: "501", SellerID: "5", Name: "Teapot", Price: 12900,
				Currency: "CNY", Available: 100, MaxPerOrder: 5, ImageURL: image}}},
		}, {
			Service: "product", Name: "releaseStock", Method: http.MethodPost, Path: productv1.PathRelease,
			Callers: []string{"checkout"}, Status: http.StatusNoContent,
			Says: "Gives a hold back after a definite refusal, never after a timeout. Safe to repeat.",
			In:   productv1.ReleaseRequest{OrderID: "7001"},
		}, {
			Service: "cart", Name: "getCartLines", Method: http.MethodGet, Path: cartv1.PathGet, Callers: []string{"checkout"},
			User: true, Status: http.StatusOK,
			Says: "The user's cart as it is kept, with the prices the shopper has seen, and the effects of the last " +
				"minutes on it, orders among them.",
			Out: cartv1.Cart{Lines: []cartv1.Line{{ProductID: "501", Quantity: 2, SeenPrice: &seen}},
				Applied: []string{"7000"}},
		}, {
			Service: "cart", Name: "takeFromCart", Method: http.MethodPost, Path: cartv1.PathTake,
			Callers: []string{"checkout"}, User: true, Status: http.StatusNoContent,
			Says: "Takes what an order has bought out of the user's cart, as the order's event does. Safe to repeat.",
			In:   cartv1.TakeRequest{OrderID: "7001", Lines: []cartv1.Line{{ProductID: "501", Quantity: 2}}},
		}, {
			Service: "user", Name: "verifyCredentials", Method: http.MethodPost, Path: userv1.PathVerify,
			Callers: []string{"auth"}, Status: http.StatusOK,
			Says: "Checks the credentials of an account. A wrong password is an answer, not an error. It takes as long " +
				"for an account that does not exist.",
			In: userv1.VerifyRequest{Email: "lilei@example.com", Password: "correct horse battery"},
			Out: userv1.VerifyAnswer{Verdict: userv1.VerdictOK,
				User: &userv1.User{ID: "42", Roles: []string{"customer"}, Version: 1}},
		}, {
			Service: "user", Name: "getUser", Method: http.MethodPost, Path: userv1.PathGet,
			Callers: []string{"auth", "product"}, Status: http.StatusOK,
			Says: "An account as it is now.",
			In:   userv1.GetRequest{UserID: "42"}, Out: userv1.GetAnswer{User: &userv1.User{ID: "42",
				Roles: []string{"customer"}, Version: 1}},
		}, {
			Service: "auth", Name: "revoke", Method: http.MethodPost, Path: authv1.PathRevoke, Callers: []string{"user"},
			Status: http.StatusNoContent,
			Says:   "An account has changed: auth asks user what it is now. Safe to repeat and in any order.",
			In:     authv1.RevokeRequest{UserID: "42", Version: 3, Roles: []string{"customer"}, Banned: true},
		}, {
			Service: "auth", Name: "listRevocations", Method: http.MethodGet, Path: authv1.PathRevocations,
			Callers: []string{"api-gateway"}, Status: http.StatusOK,
			Says: "What was revoked since the last poll, less an overlap of 60 s; without since, everything in force.",
			Query: []Param{{"since", "RFC 3339 time: now of the last poll's first answer", "2026-11-23T12:00:00Z"},
				{"limit", "1–10000: at most so many; without it, all", "5000"},
				{"after", "next of the answer before this one", "2026-11-23T12:00:00Z,user,41"}},
			Out: authv1.Revocations{Now: noon, Items: []authv1.Revocation{{Kind: authv1.KindUser, Subject: "42",
				NotBefore: noon.UnixMilli(), CreatedAt: noon,
				ExpiresAt: noon.Add(15 * time.Minute)}}},
		}, {
			Service: "auth", Name: "getKeys", Method: http.MethodGet, Path: "/.well-known/jwks.json", Status: http.StatusOK,
			Says: "The public keys of access tokens (RFC 7517, Ed25519).",
			Out: identity.KeySet{Keys: []identity.Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1",
				X:   "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
				Use: "sig", Alg: "EdDSA"}}},
		},
	}
	for _, service := range contracts.Producers() {
		routes = append(routes, feed(service))
	}
	return routes
}

// PublicCalls are the calls that services make of each other's public routes, besides the gateway. * is one part of a
// path.
func PublicCalls() []Route {
	return []Route{{Service: "order", Method: http.MethodGet, Path: "/v1/orders/*", Callers: []string{"checkout"}}}
}

// RoutesOf are the routes of one service.
func RoutesOf(service string) []Route {
	return slices.DeleteFunc(Routes(), func(r Route) bool { return r.Service != service })
}

func order(history ...orderv1.Change) orderv1.Order {
	return orderv1.Order{ID: "7001", Status: "awaiting_payment", Address: address, Subtotal: 30300, Shipping: 1000,
		Total: 31300, Currency: "CNY",
		PaymentDueAt: noon.Add(15 * time.Minute), CreatedAt: noon, UpdatedAt: noon, History: history, Lines: []orderv1.Line{
			{ProductID: "501", SellerID: "5", Name: "Teapot", Price: 12900, Quantity: 2, LineTotal: 25800, ImageURL: image},
			{ProductID: "502", SellerID: "6", Name: "茶杯", Price: 4500, Quantity: 1, LineTotal: 4500}}}
}

// feed is the route by which consumers fetch events that the broker did not deliver. Only consumers may call it.
func feed(service string) Route {
	r := Route{
		Service: service, Name: "readFeed", Method: http.MethodGet, Path: "/events", Status: http.StatusOK,
		Refusals: []string{"feed_forked", "feed_gone"},
		Callers:  contracts.ConsumersOf(service),
		Says: "The service's events in the order of the feed. Send next as after in the next call. 410 feed_gone: events " +
			"after the position were deleted after their retention. 409 feed_forked: the position is not part of the feed's " +
			"history, because its database was restored; read the feed again without after.",
		Query: []Param{{"after", "position of the last event seen; without it, the first event that is kept comes first",
			"0"},
			{"after_id", "id of the event at that position, which proves that the feed has the same history", ""},
			{"limit", "1 to 1000 events, 500 without it", "500"},
			{"min_age_ms", "leaves out younger events, which the broker delivers", "10000"}},
	}
	for _, e := range Events() {
		if e.Producer == service {
			r.Out = outbox.Page{Events: []outbox.Item{{Pos: 1, Event: Wire(e)}}, Next: 1, Head: 1}
			break
		}
	}
	return r
}
