// Package clients calls product, order and, for a checkout of the cart, cart through the sidecar.
package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/contracts/cartv1"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

// Peers implements checkout.Cart, checkout.Stock and checkout.Orders.
type Peers struct{ dapr *sidecar.Client }

// New makes the clients.
func New(dapr *sidecar.Client) Peers { return Peers{dapr} }

// Contents implements checkout.Cart.
func (p Peers) Contents(ctx context.Context) (checkout.CartContents, error) {
	var c cartv1.Cart
	if err := p.dapr.Invoke(ctx, sidecar.Request{App: "cart", Method: http.MethodGet, Path: cartv1.PathGet,
		Out: &c}); err != nil {
		return checkout.CartContents{}, err
	}
	items := make([]checkout.Item, len(c.Lines))
	for i, l := range c.Lines {
		items[i] = checkout.Item(l)
	}
	return checkout.CartContents{Items: items, Applied: c.Applied}, nil
}

// Take implements checkout.Cart.
func (p Peers) Take(ctx context.Context, orderID string, items []checkout.Item) error {
	in := cartv1.TakeRequest{OrderID: orderID, Lines: make([]cartv1.Line, len(items))}
	for i, it := range items {
		in.Lines[i] = cartv1.Line(it)
	}
	return p.dapr.Invoke(ctx, sidecar.Request{App: "cart", Method: http.MethodPost, Path: cartv1.PathTake, In: in})
}

// maxShared is how many lines a hold may have that shares an invocation: answers of several large ones would be larger
// than what a sidecar passes on.
const maxShared = 50

// Hold implements checkout.Stock. The user's token says for whom the stock is held.
func (p Peers) Hold(ctx context.Context, orderID string, items []checkout.Item, maxUnits int64) (
	checkout.HoldResult, error) {
	in := productv1.HoldRequest{OrderID: orderID, Lines: make([]productv1.Line, len(items))}
	for i, it := range items {
		in.Lines[i] = productv1.Line{ProductID: it.ProductID, Quantity: it.Quantity}
	}
	var answer productv1.HoldAnswer
	err := p.dapr.Invoke(ctx, sidecar.Request{App: "product", Method: http.MethodPost, In: in, Out: &answer,
		Shared: len(items) <= maxShared, Path: bounded(productv1.PathHold, productv1.QueryMaxUnits, maxUnits)})
	if err != nil {
		return checkout.HoldResult{}, err
	}
	var held checkout.HoldResult
	switch answer.Status {
	case productv1.Held:
		for _, l := range answer.Lines {
			held.Lines = append(held.Lines, checkout.Line{ProductID: l.ProductID, SellerID: l.SellerID, Name: l.Name,
				Price: l.Price, Currency: l.Currency, Quantity: l.Quantity, ImageURL: l.ImageURL})
		}
		return held, nil
	case productv1.SoldOut, productv1.Unavailable, productv1.TooMany, productv1.HeldByOwn, productv1.TooManyHeld:
		for _, s := range answer.Shortages {
			held.Shortages = append(held.Shortages, checkout.Shortage(s))
		}
		for _, o := range answer.Own {
			held.Own = append(held.Own, checkout.OwnHold(o))
		}
		if len(held.Shortages) > 0 {
			held.TooMany = answer.Status == productv1.TooMany
			held.StillHeld = held.TooMany || answer.Status == productv1.Unavailable
			held.HeldByOwn = answer.Status == productv1.HeldByOwn
			held.OverCap = answer.Status == productv1.TooManyHeld
			return held, nil
		}
	}
	return held, fmt.Errorf("product answered a hold with %q and %d shortages", answer.Status, len(answer.Shortages))
}

// bounded adds a bound to a path; 0 is no bound.
func bounded(path, name string, most int64) string {
	if most == 0 {
		return path
	}
	return path + "?" + name + "=" + strconv.FormatInt(most, 10)
}

// Release implements checkout.Stock.
func (p Peers) Release(ctx context.Context, orderID string) error {
	return p.dapr.Invoke(ctx, sidecar.Request{App: "product", Method: http.MethodPost, Path: productv1.PathRelease,
		In: productv1.ReleaseRequest{OrderID: orderID}, System: true})
}

// Products implements checkout.Stock.
func (p Peers) Products(ctx context.Context, items []checkout.Item) ([]checkout.Line, error) {
	in := productv1.GetRequest{IDs: make([]string, len(items))}
	for i, it := range items {
		in.IDs[i] = it.ProductID
	}
	var answer productv1.GetAnswer
	err := p.dapr.Invoke(ctx, sidecar.Request{App: "product", Method: http.MethodPost, Path: productv1.PathGet, In: in,
		Out: &answer, System: true})
	if err != nil {
		return nil, err
	}
	known := make(map[string]productv1.Product, len(answer.Products))
	for _, pr := range answer.Products {
		known[pr.ID] = pr
	}
	var lines []checkout.Line
	for _, it := range items {
		if pr, ok := known[it.ProductID]; ok {
			lines = append(lines, checkout.Line{ProductID: pr.ID, SellerID: pr.SellerID, Name: pr.Name, Price: pr.Price,
				Currency: pr.Currency, ImageURL: pr.ImageURL,
				Quantity: it.Quantity, Available: pr.Available, Untracked: pr.Untracked, MaxPerOrder: pr.MaxPerOrder,
				SeenPrice: it.SeenPrice})
		}
	}
	return lines, nil
}

// Place implements checkout.Orders.
func (p Peers) Place(ctx context.Context, r checkout.Record, lines []checkout.Line,
	t checkout.Totals, maxOpen int64) (checkout.Order, error) {
	in := orderv1.CreateRequest{OrderID: r.OrderID, Address: orderv1.Address(r.PostalAddress), Shipping: t.Shipping,
		Currency: t.Currency, FromCart: r.FromCart,
		Lines: make([]orderv1.CreateLine, len(lines))}
	for i, l := range lines {
		in.Lines[i] = orderv1.CreateLine{ProductID: l.ProductID, SellerID: l.SellerID, Name: l.Name, Price: l.Price,
			Quantity: l.Quantity, ImageURL: l.ImageURL}
	}
	place := func() (checkout.Order, error) {
		return p.order(ctx, sidecar.Request{Method: http.MethodPost, In: in, Shared: true,
			Path: bounded(orderv1.PathCreate, orderv1.QueryMaxOpen, maxOpen)})
	}
	placed, err := place()
	if knowsNoImages(err) {
		for i := range in.Lines {
			in.Lines[i].ImageURL = ""
		}
		return place()
	}
	return placed, err
}

// knowsNoImages reports whether order refused a field that an earlier version does not know.
func knowsNoImages(err error) bool {
	refusal, ok := errors.AsType[*problem.Error](err)
	return ok && refusal.Kind == problem.Invalid && slices.ContainsFunc(refusal.Fields,
		func(f problem.Field) bool { return f.Field == "image_url" })
}

// Fence implements checkout.Orders.
func (p Peers) Fence(ctx context.Context, orderID string) (bool, error) {
	var answer orderv1.FenceAnswer
	err := p.dapr.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodPost, Path: orderv1.PathFence,
		In: orderv1.FenceRequest{OrderID: orderID}, Out: &answer, System: true})
	return answer.Exists, err
}

// AwaitsPayment implements checkout.Orders.
func (p Peers) AwaitsPayment(ctx context.Context, orderID string) (due time.Time, err error) {
	var o orderv1.Order
	err = p.dapr.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodGet, Path: "/v1/orders/" + orderID,
		Out: &o})
	if err != nil || o.Status != "awaiting_payment" {
		return time.Time{}, err
	}
	return o.PaymentDueAt, nil
}

// Show implements checkout.Orders.
func (p Peers) Show(ctx context.Context, orderID string) (checkout.Order, error) {
	return p.order(ctx, sidecar.Request{Method: http.MethodGet, Path: "/v1/orders/" + orderID})
}

// ChangeAddress implements checkout.Orders.
func (p Peers) ChangeAddress(ctx context.Context, orderID string, address checkout.PostalAddress) (checkout.Order,
	error) {
	return p.order(ctx, sidecar.Request{Method: http.MethodPost, Path: orderv1.PathAddress,
		In: orderv1.AddressRequest{OrderID: orderID, Address: orderv1.Address(address)}})
}

// order calls a route that answers with an order, and returns the JSON unchanged: checkout does not read it.
func (p Peers) order(ctx context.Context, r sidecar.Request) (checkout.Order, error) {
	var out json.RawMessage
	r.App, r.Out = "order", &out
	err := p.dapr.Invoke(ctx, r)
	return checkout.Order(out), err
}
