// Package api has the routes and event handlers of payment.
package api

import (
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/payment/internal/payment"
)

// Routes adds all routes and event handlers of payment.
func Routes(s *server.Server, in *inbox.Inbox, out *outbox.Outbox, keys *idempotency.Store, payments *payment.Service) {
	h := handler{keys, payments}
	v1 := s.Group("/v1/payments", server.Callers("api-gateway", "assistant"), s.SignedIn)
	// shopper: pays an order. Needs an Idempotency-Key; a repeat never charges again. 201 processing if the outcome is
	// not known yet.
	v1.POST("", s.WithSettings, server.Handle(h.pay))
	// shopper: one of their payments.
	v1.GET("/:id", server.Handle(h.show))
	// shopper: cancels a payment that is under way. 409 if it is not.
	v1.POST("/:id/cancel", server.Handle(h.cancel))

	// shopper or admin: the payments of one order, newest first.
	s.GET("/v1/orders/:id/payments", server.Callers("api-gateway"), s.SignedIn, server.Handle(h.listOfOrder))
	// shopper: answers the bank's challenge for a card of the sandbox. 404 for a payment of any other provider.
	s.POST("/v1/sandbox/payments/:id/confirm", server.Callers("api-gateway"), s.SignedIn, server.Handle(h.confirm))
	// the provider: something has changed. Signed; safe to repeat, in any order.
	s.POST("/v1/webhooks/stripe", server.Callers("api-gateway"), server.Handle(h.notice))
	// gateway, assistant: several of these requests in one invocation.
	s.InBulk(server.Callers("api-gateway", "assistant"), "/v1/payments")

	// Events; each safe to repeat and in any order.
	inbox.OnAll(in, "order", orderv1.TypePlaced, h.OnOrderPlaced)
	inbox.On(in, "order", orderv1.TypeCancelled, h.OnOrderCancelled)
	inbox.On(in, "order", orderv1.TypeRefundRequested, h.OnOrderRefundRequested)
	s.ReceiveEvents(in)
	s.ServeParked(in)
	s.ServeFeed(out, contracts.ConsumersOf("payment")...)
}
