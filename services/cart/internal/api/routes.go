// Package api has the routes and event handlers of cart.
package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/contracts/cartv1"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
)

// Routes adds all routes and event handlers of cart.
func Routes(s *server.Server, in *inbox.Inbox, keys *idempotency.Store, carts *cart.Service) {
	h := handler{carts, keys}
	v1 := s.Group("/v1/cart", server.Callers("api-gateway", "assistant"), s.SignedIn, s.WithSettings)
	// shopper: the cart with present prices.
	v1.GET("", server.Handle(h.show))
	// shopper: adds. Two adds at once both count; with an Idempotency-Key a repeat counts once.
	v1.POST("/items", server.Handle(h.add))
	// shopper: sets a quantity, 0 removes. Safe to repeat.
	v1.PUT("/items/:product_id", server.Handle(h.set))
	v1.DELETE("/items/:product_id", server.Handle(h.remove))
	v1.DELETE("", server.Handle(h.clear))

	// checkout, for its user: the cart as it is kept.
	s.GET(cartv1.PathGet, server.Callers("checkout"), s.SignedIn, server.Handle(h.get))
	// checkout, for its user: what the event of an order does, before the event. Safe to repeat.
	s.POST(cartv1.PathTake, server.Callers("checkout"), s.SignedIn, server.Handle(h.take))
	// gateway, assistant: several of these requests in one invocation.
	s.InBulk(server.Callers("api-gateway", "assistant"), "/v1/cart/items")

	// Events. Detached because carts are kept in Redis: each document remembers the orders that were applied to it.
	inbox.OnDetached(in, "order", orderv1.TypePlaced, h.OnOrderPlaced)
	inbox.OnDetached(in, "user", userv1.TypeDeleted, h.OnUserDeleted)
	s.ReceiveEvents(in)
	s.ServeParked(in)
}

type handler struct {
	carts *cart.Service
	keys  *idempotency.Store
}

func (h handler) show(c *gin.Context) error {
	v, err := h.carts.Show(c.Request.Context(), web.User(c).ID)
	return answer(c, v, err)
}

func answer(c *gin.Context, v cart.View, err error) error {
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, v)
	return nil
}

func (h handler) add(c *gin.Context) error {
	var in struct {
		ProductID string `json:"product_id"`
		Quantity  int64  `json:"quantity"`
	}
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.ProductID) {
		return problem.Validation(problem.Field{Field: "product_id", Message: "is not an id"})
	}
	if err := cart.CheckQuantity(in.Quantity, 1); err != nil {
		return err
	}
	added, err := h.carts.AddOnce(c.Request.Context(), key, in.ProductID, in.Quantity,
		func(v cart.View) (keyed.Answer, error) { return keyed.JSON(http.StatusOK, v) })
	return server.WriteAnswer(c, added, err)
}

func (h handler) set(c *gin.Context) error {
	id, err := web.ID(c, "product_id", "product")
	if err != nil {
		return err
	}
	var in struct {
		Quantity *int64 `json:"quantity"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if in.Quantity == nil {
		return problem.Validation(problem.Field{Field: "quantity", Message: "is missing"})
	}
	v, err := h.carts.Set(c.Request.Context(), web.User(c).ID, id, *in.Quantity)
	return answer(c, v, err)
}

func (h handler) remove(c *gin.Context) error {
	id, err := web.ID(c, "product_id", "product")
	if err != nil {
		return err
	}
	v, err := h.carts.Remove(c.Request.Context(), web.User(c).ID, id)
	return answer(c, v, err)
}

func (h handler) clear(c *gin.Context) error {
	if err := h.carts.Clear(c.Request.Context(), web.User(c).ID); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) get(c *gin.Context) error {
	kept, err := h.carts.Get(c.Request.Context(), web.User(c).ID)
	if err != nil {
		return err
	}
	out := cartv1.Cart{Lines: make([]cartv1.Line, len(kept.Lines)), Applied: []string{}}
	for i, l := range kept.Lines {
		out.Lines[i] = cartv1.Line{ProductID: l.ProductID, Quantity: l.Quantity, SeenPrice: l.Price}
	}
	for _, effect := range kept.Applied {
		if time.Since(ids.Made(effect)) < cartv1.AppliedFor {
			out.Applied = append(out.Applied, effect)
		}
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func (h handler) take(c *gin.Context) error {
	var in cartv1.TakeRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		return problem.Validation(problem.Field{Field: "order_id", Message: "is not an id"})
	}
	bought := make([]cart.Line, len(in.Lines))
	for i, l := range in.Lines {
		bought[i] = cart.Line{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	if err := h.carts.Take(c.Request.Context(), web.User(c).ID, in.OrderID, bought); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
