package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/inventory"
)

// holdBody is who holds how much of a product.
type holdBody struct {
	OrderID   string     `json:"order_id"`
	ProductID string     `json:"product_id"`
	UserID    *string    `json:"user_id"`
	Quantity  int64      `json:"quantity"`
	State     string     `json:"state"`
	Since     time.Time  `json:"since"`
	Until     *time.Time `json:"until"`
}

func holdBodyOf(h inventory.OpenHold) holdBody {
	b := holdBody{OrderID: h.OrderID, ProductID: h.ProductID, Quantity: h.Quantity, State: "hold", Since: h.Since}
	if h.Unpaid {
		b.State = "unpaid_order"
	}
	if b.Since.IsZero() {
		b.Since = ids.Made(h.OrderID).UTC()
	}
	if h.ShopperID != "" {
		b.UserID = &h.ShopperID
	}
	if !h.Until.IsZero() {
		b.Until = &h.Until
	}
	return b
}

func (h handler) listHolds(c *gin.Context) error {
	if !actor(c).Admin {
		return errNotAdmin
	}
	if err := web.OnlyQuery(c, "product_id", "user_id", "page_size", "page_token"); err != nil {
		return err
	}
	f := inventory.HoldFilter{}
	for name, to := range map[string]*string{"product_id": &f.ProductID, "user_id": &f.ShopperID} {
		id, given := c.GetQuery(name)
		if given && !ids.Valid(id) {
			return problem.Validation(problem.Field{Field: name, Message: "is not an id"})
		}
		*to = id
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	if token, given := c.GetQuery("page_token"); given {
		order, product, two := strings.Cut(token, "-")
		if !two || !ids.Valid(order) || !ids.Valid(product) {
			return page.BadToken()
		}
		f.AfterOrder, f.AfterProduct = order, product
	}
	f.Limit = size + 1
	found, err := h.operator.Holds(c.Request.Context(), f)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > size {
		found = found[:size]
		next = found[size-1].OrderID + "-" + found[size-1].ProductID
	}
	items := make([]holdBody, len(found))
	for i, hold := range found {
		items[i] = holdBodyOf(hold)
	}
	c.JSON(http.StatusOK, page.New(items, next))
	return nil
}

func (h handler) releaseHold(c *gin.Context) error {
	if !actor(c).Admin {
		return errNotAdmin
	}
	id, err := web.ID(c, "id", "hold")
	if err != nil {
		return err
	}
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	answer, err := h.operator.ReleaseOnce(c.Request.Context(), key, inventory.Release{OrderID: id, Reason: in.Reason,
		Actor: actor(c).UserID}, func(outcome string) (keyed.Answer, error) {
		return keyed.JSON(http.StatusOK, gin.H{"order_id": id, "outcome": outcome})
	})
	return server.WriteAnswer(c, answer, err)
}

var errNotAdmin = problem.New(problem.Forbidden, "forbidden", "Only an admin may do this.")
