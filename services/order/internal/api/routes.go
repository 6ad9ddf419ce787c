// Package api has the routes and event handlers of order.
package api

import (
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/order/internal/order"
)

// Routes adds all routes and event handlers of order.
func Routes(s *server.Server, in *inbox.Inbox, out *outbox.Outbox, keys *idempotency.Store, orders *order.Service) {
	h := handler{orders, keys, out}

	v1 := s.Group("/v1/orders", server.Callers("api-gateway", "assistant", "checkout"), s.SignedIn)
	// shopper: their orders, newest first; with ?status= only those with that status.
	v1.GET("", server.Handle(h.list))
	// shopper or admin: one order with its history.
	v1.GET("/:id", server.Handle(h.show))
	// shopper: ends an order nobody has paid for. 409 once it is paid or cancelled.
	v1.POST("/:id/cancel", server.Handle(h.cancel))

	// seller: what was sold of the own products and has been paid, newest order first, with the address to send it to.
	s.GET("/v1/seller/orders", server.Callers("api-gateway"), s.SignedIn, server.Handle(h.listSold))

	// admin: one order with the events that order has written about it.
	s.GET("/v1/admin/orders/:id", server.Callers("api-gateway"), s.SignedIn, server.Handle(h.showToAdmin))

	// checkout, for its user: creates the order of a checkout. Idempotent by order id.
	s.POST(orderv1.PathCreate, server.Callers("checkout"), s.SignedIn, server.Handle(h.create))
	// checkout: several of these calls in one invocation.
	s.InBulk(server.Callers("checkout"), orderv1.PathCreate)
	// checkout, for its user: another address while the order awaits payment.
	s.POST(orderv1.PathAddress, server.Callers("checkout"), s.SignedIn, server.Handle(h.address))
	// product, for an admin: ends an unpaid order whose stock an operator releases.
	s.POST(orderv1.PathCancel, server.Callers("product"), s.SignedIn, server.Handle(h.cancelForOperator))
	// product, checkout: whether the order of a hold exists. After a "no" it can never be created.
	s.POST(orderv1.PathFence, server.Callers("product", "checkout"), server.Handle(h.fence))
	// payment: what has to be paid, if the event that opens the bill has not arrived yet.
	s.POST(orderv1.PathGet, server.Callers("payment"), server.Handle(h.payable))
	// api-gateway, for its user: the states of an own order, for a stream of them.
	s.POST(orderv1.PathHistory, server.Callers("api-gateway"), s.SignedIn, server.Handle(h.history))
	// api-gateway: what has changed in all orders since its last call, for all its streams.
	s.POST(orderv1.PathChanges, server.Callers("api-gateway"), server.Handle(h.changes))

	// Events; each safe to repeat and in any order. An event that names an unknown order is parked and tried again.
	inbox.OnAll(in, "payment", paymentv1.TypeSucceeded, h.OnPaymentSucceeded)
	inbox.On(in, "payment", paymentv1.TypeRefunded, h.OnPaymentRefunded)
	inbox.On(in, "product", stockv1.TypeRejected, h.OnStockRejected)
	// Detached because it locks rows that no key of the batch names.
	inbox.OnDetached(in, "user", userv1.TypeDeleted, h.OnUserDeleted)
	s.ReceiveEvents(in)
	s.ServeParked(in)
	s.ServeFeed(out, contracts.ConsumersOf("order")...)
}
