// Package api has the routes and event handlers of product: the public catalogue behind the gateway, routes for
// checkout and cart, and the events of orders.
package api

import (
	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

type handler struct {
	catalog   *catalog.Service
	inventory *inventory.Service
	imports   *catalog.Importer
	reading   chan struct{} // has a place for each file that is being read
	uploads   *catalog.Uploads
	decoding  chan struct{} // has a place for each picture that is being decoded
	operator  *inventory.Operator
	keys      *idempotency.Store
}

// Routes adds all routes and event handlers of product.
func Routes(
	s *server.Server, in *inbox.Inbox, out *outbox.Outbox, keys *idempotency.Store,
	products *catalog.Service, stock *inventory.Service, imports *catalog.Importer, uploads *catalog.Uploads,
	operator *inventory.Operator,
) {
	h := handler{products, stock, imports, make(chan struct{}, atOnceImports), uploads,
		make(chan struct{}, atOncePictures), operator, keys}
	gateway := server.Callers("api-gateway")

	// anyone: products for sale, found by words, category and price, page by page.
	s.GET("/v1/products", gateway, server.Handle(h.list))
	// anyone: the categories with products on sale, and how many, page by page.
	s.GET("/v1/categories", gateway, server.Handle(h.categories))
	// anyone: one product; 304 while the caller's ETag is still its version.
	s.GET("/v1/products/:id", gateway, server.Handle(h.get))
	// seller, admin: offers a product. With an Idempotency-Key a repeat offers no second one.
	s.POST("/v1/products", gateway, s.SignedIn, s.WithSettings, server.Handle(h.create))
	// its seller, admin: 428 without If-Match, 412 if it was changed meanwhile.
	s.PATCH("/v1/products/:id", gateway, s.SignedIn, server.Handle(h.change))
	// seller: the own product with a sku, also while it is not on sale.
	s.GET("/v1/products/by-sku/:sku", gateway, s.SignedIn, server.Handle(h.getBySKU))
	// seller: creates or replaces the own product with a sku; 412 if If-Match is sent and it was changed meanwhile.
	s.PUT("/v1/products/by-sku/:sku", gateway, s.SignedIn, s.WithSettings, server.Handle(h.putBySKU))
	// seller: takes a file of products, of which a worker makes products; one at a time. The same file again changes
	// nothing.
	s.POST("/v1/products/import", gateway, s.SignedIn, s.WithSettings, server.Handle(h.startImport))
	// seller: the report of the own import, row by row.
	s.GET("/v1/products/imports/:id", gateway, s.SignedIn, server.Handle(h.getImport))
	// its seller, admin: takes a JPEG, PNG or WebP file, of which it makes a picture of the product. The same file again
	// changes nothing.
	s.POST("/v1/products/:id/pictures", gateway, s.SignedIn, s.WithSettings, server.Handle(h.addPicture))
	// anyone: an uploaded picture, which never changes.
	s.GET("/v1/pictures/:name", gateway, server.Handle(h.picture))
	// its seller, admin: ends the sale; old orders keep their lines.
	s.DELETE("/v1/products/:id", gateway, s.SignedIn, server.Handle(h.remove))
	// its seller, admin: 409 if it would remove what orders hold or have reserved.
	s.POST("/v1/products/:id/stock", gateway, s.SignedIn, server.Handle(h.adjust))
	// its seller, admin: the ledger of its stock, newest entry first.
	s.GET("/v1/products/:id/stock", gateway, s.SignedIn, server.Handle(h.ledger))
	// seller: the own products, also those that are sold out or not on sale.
	s.GET("/v1/seller/products", gateway, s.SignedIn, server.Handle(h.ownList))
	// admin: products, or those of a seller, also those that are not on sale.
	s.GET("/v1/admin/products", gateway, s.SignedIn, server.Handle(h.adminList))
	// admin: who holds stock, in running checkouts and unpaid orders.
	s.GET("/v1/admin/holds", gateway, s.SignedIn, server.Handle(h.listHolds))
	// admin: what the ledger has recorded of an order.
	s.GET("/v1/admin/orders/:id/stock", gateway, s.SignedIn, server.Handle(h.stockOfOrder))
	// admin: releases what an order holds; an unpaid order is cancelled.
	s.POST("/v1/admin/holds/:id/release", gateway, s.SignedIn, server.Handle(h.releaseHold))

	// checkout, for its user: holds all lines of an order or none, and prices them. Safe to repeat; a refusal is a 200
	// answer.
	s.POST(productv1.PathHold, server.Callers("checkout"), s.SignedInIfToken, server.Handle(h.hold))
	// checkout: releases a hold after a definite refusal, never after a timeout. Safe to repeat.
	s.POST(productv1.PathRelease, server.Callers("checkout"), server.Handle(h.release))
	// cart, checkout: the present state of these products; those not for sale are missing.
	s.POST(productv1.PathGet, server.Callers("cart", "checkout"), server.Handle(h.products))
	// cart, checkout: several of these calls in one invocation.
	s.InBulk(server.Callers("cart", "checkout"), productv1.PathHold, productv1.PathGet)

	// Events; each safe to repeat and in any order. Those of orders lock the stock of the products that they name.
	in.LockFirst(h.lockStock)
	inbox.OnAll(in, "order", orderv1.TypePlaced, h.OnOrderPlaced)
	inbox.OnAll(in, "order", orderv1.TypePaid, h.OnOrderPaid)
	inbox.OnAll(in, "order", orderv1.TypeCancelled, h.OnOrderCancelled)
	inbox.On(in, "user", userv1.TypeBanned, h.OnUserBanned)
	inbox.On(in, "user", userv1.TypeUnbanned, h.OnUserUnbanned)
	inbox.On(in, "user", userv1.TypeRolesChanged, h.OnUserRolesChanged)
	inbox.On(in, "user", userv1.TypeDeleted, h.OnUserDeleted)
	s.ReceiveEvents(in)
	s.ServeParked(in)
	s.ServeFeed(out, contracts.ConsumersOf("product")...)
}

func actor(c *gin.Context) catalog.Actor {
	u := web.User(c)
	return catalog.Actor{UserID: u.ID, Seller: u.Is(identity.Seller), Admin: u.Is(identity.Admin)}
}
