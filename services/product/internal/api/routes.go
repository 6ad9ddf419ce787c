// Package api is what comes into the product service: the catalogue's public routes
// behind the gateway, peer routes for checkout and cart, and the events of orders.
package api

import (
	"context"
	"encoding/json"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/product"
)

type handler struct {
	catalogue *product.Catalogue
	holds     *product.Holds
	effects   *idempotency.Store
}

// Routes mounts the service's routes.
func Routes(s *server.Server, catalogue *product.Catalogue, holds *product.Holds, effects *idempotency.Store, out *outbox.Outbox) {
	h := handler{catalogue, holds, effects}
	gateway := server.Callers("api-gateway")
	once := server.Idempotent(effects)

	// anyone: products for sale, found by words, category and price, page by page.
	s.GET("/v1/products", gateway, server.Handle(h.list))
	// anyone: one product; 304 while the caller's ETag is still its version.
	s.GET("/v1/products/:id", gateway, server.Handle(h.get))
	// seller, admin: offers a product. With an Idempotency-Key a repeat offers no second one.
	s.POST("/v1/products", gateway, s.SignedIn, s.WithSettings, once, server.Handle(h.create))
	// its seller, admin: 428 without If-Match, 412 once somebody else changed it.
	s.PATCH("/v1/products/:id", gateway, s.SignedIn, server.Handle(h.change))
	// its seller, admin: off the shelves; old orders keep their lines.
	s.DELETE("/v1/products/:id", gateway, s.SignedIn, server.Handle(h.remove))
	// its seller, admin: 409 if it would take out what orders hold or have reserved.
	s.POST("/v1/products/:id/stock", gateway, s.SignedIn, once, server.Handle(h.adjust))

	// checkout: holds all lines of an order or none and prices them. Safe to repeat; refusals are answers.
	s.POST(productv1.PathHold, server.Callers("checkout"), server.Handle(h.hold))
	// checkout: gives a hold back after a definite refusal, never after a timeout. Safe to repeat.
	s.POST(productv1.PathRelease, server.Callers("checkout"), server.Handle(h.release))
	// cart, checkout: what these products are now; those not for sale are missing.
	s.POST(productv1.PathGet, server.Callers("cart", "checkout"), server.Handle(h.products))

	s.Feed(out, "order")
}

// Subscribe names the events the service handles. All are safe to repeat and may
// come in any order; what fails is parked.
func Subscribe(in *inbox.Inbox, ledger *product.Ledger) {
	in.LockFirst(func(ctx context.Context, events []outbox.CloudEvent) error {
		return ledger.Lock(ctx, productsOf(events)...)
	})
	// reserves all lines of the order, or rejects it.
	inbox.OnAll(in, "order", orderv1.TypePlaced, func(ctx context.Context, events []orderv1.Placed) error {
		return ledger.Placed(ctx, orders(events, func(e orderv1.Placed) (string, []orderv1.EventLine) { return e.OrderID, e.Lines })...)
	})
	// deducts what was reserved.
	inbox.OnAll(in, "order", orderv1.TypePaid, func(ctx context.Context, events []orderv1.Paid) error {
		return ledger.Paid(ctx, orders(events, func(e orderv1.Paid) (string, []orderv1.EventLine) { return e.OrderID, e.Lines })...)
	})
	// gives back what was reserved.
	inbox.OnAll(in, "order", orderv1.TypeCancelled, func(ctx context.Context, events []orderv1.Cancelled) error {
		return ledger.Cancelled(ctx, orders(events, func(e orderv1.Cancelled) (string, []orderv1.EventLine) { return e.OrderID, e.Lines })...)
	})
}

// productsOf gives the products that events of orders name: every type has its lines alike.
func productsOf(events []outbox.CloudEvent) []string {
	var productIDs []string
	for _, e := range events {
		var order struct {
			Lines []orderv1.EventLine `json:"lines"`
		}
		if json.Unmarshal(e.Data, &order) != nil {
			continue // its handler says so
		}
		for _, l := range order.Lines {
			productIDs = append(productIDs, l.ProductID)
		}
	}
	return productIDs
}

func orders[E any](events []E, read func(E) (id string, lines []orderv1.EventLine)) []product.Order {
	out := make([]product.Order, len(events))
	for i, e := range events {
		id, lines := read(e)
		out[i] = product.Order{ID: id, Lines: make([]product.Line, len(lines))}
		for j, l := range lines {
			out[i].Lines[j] = product.Line{ProductID: l.ProductID, Quantity: l.Quantity}
		}
	}
	return out
}

func actor(c *gin.Context) product.Actor {
	u := web.User(c)
	return product.Actor{UserID: u.ID, Seller: u.Is(identity.Seller), Admin: u.Is(identity.Admin)}
}
