// Package api has the routes and event handlers of checkout.
package api

import (
	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/server"
)

// Routes adds all routes and event handlers of checkout.
func Routes(
	s *server.Server,
	in *inbox.Inbox,
	keys *idempotency.Store,
	addresses checkout.Addresses,
	service *checkout.Service,
) {
	gateway := server.Callers("api-gateway", "assistant")

	// anyone: what an address in a country needs.
	s.GET("/v1/countries/:code", gateway, server.Handle(showCountry))

	h := handler{keys, service}
	// anyone: the mall's currency, and its decimals.
	s.GET("/v1/currency", gateway, s.WithSettings, server.Handle(h.showCurrency))

	a := addressHandler{addresses, service, keys}
	list := s.Group("/v1/addresses", gateway, s.SignedIn)
	// shopper: their addresses; somebody else's address is refused like a missing one.
	list.GET("", server.Handle(a.list))
	list.POST("", server.Handle(a.add))
	list.GET("/:id", server.Handle(a.show))
	list.PUT("/:id", server.Handle(a.change))
	list.DELETE("/:id", server.Handle(a.remove))

	// shopper: what a checkout would cost; holds nothing.
	s.POST("/v1/checkout/quote", gateway, s.SignedIn, s.WithSettings, server.Handle(h.quote))
	// shopper: places an order. Needs an Idempotency-Key; a repeat continues with the same order, also after a crash.
	s.POST("/v1/checkout", gateway, s.SignedIn, s.WithSettings, server.Handle(h.checkOut))
	// shopper: changes the address of an order that awaits payment.
	s.PUT("/v1/orders/:id/address", gateway, s.SignedIn, server.Handle(h.changeAddress))
	// gateway, assistant: several of these requests in one invocation.
	s.InBulk(gateway, "/v1/checkout")

	// Events. Detached because it locks rows that no key of the batch names.
	inbox.OnDetached(in, "user", userv1.TypeDeleted, h.OnUserDeleted)
	s.ReceiveEvents(in)
	s.ServeParked(in)
}
