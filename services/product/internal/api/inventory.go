package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/inventory"
)

const (
	maxLines    = 200 // the gate accepts no more; an order has at most 100
	maxQuantity = 999 // as in carts and orders
)

func (h handler) hold(c *gin.Context) error {
	var in productv1.HoldRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if err := checkHold(in); err != nil {
		return err
	}
	lines := make([]inventory.Line, len(in.Lines))
	for i, l := range in.Lines {
		lines[i] = inventory.Line(l)
	}
	maxUnits, err := web.WholeNumber(c, productv1.QueryMaxUnits)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	shopper, _ := identity.From(ctx) // an earlier version of checkout does not say who buys
	res, err := h.catalog.Hold(ctx, inventory.HoldRequest{OrderID: in.OrderID, ShopperID: shopper.ID, Lines: lines,
		MaxUnits: maxUnits})
	if err != nil {
		return err
	}
	out := productv1.HoldAnswer{Status: res.Status, Lines: []productv1.PricedLine{}, Shortages: []productv1.Shortage{}}
	for _, l := range res.Lines {
		line := productv1.PricedLine{ProductID: l.ProductID, SellerID: l.SellerID, Name: l.Name,
			Price: l.Price, Currency: l.Currency, Quantity: l.Quantity}
		if len(l.ImageURL) <= productv1.MaxOrderedImage {
			line.ImageURL = l.ImageURL
		}
		out.Lines = append(out.Lines, line)
	}
	for _, s := range res.Shortages {
		out.Shortages = append(out.Shortages, productv1.Shortage(s))
	}
	for _, o := range res.Own {
		out.Own = append(out.Own, productv1.OwnHold{ProductID: o.ProductID, OrderID: o.OrderID, Quantity: o.Quantity,
			Unpaid: o.Unpaid, Until: o.Until.UTC()})
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func checkHold(in productv1.HoldRequest) error {
	var bad []problem.Field
	if !ids.Valid(in.OrderID) {
		bad = append(bad, problem.Field{Field: "order_id", Message: "must be an id"})
	}
	if len(in.Lines) < 1 || len(in.Lines) > maxLines {
		bad = append(bad, problem.Field{Field: "lines", Message: "must have 1 to 200 entries"})
	}
	for _, l := range in.Lines {
		if !ids.Valid(l.ProductID) {
			bad = append(bad, problem.Field{Field: "lines.product_id", Message: "must be an id"})
		}
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			bad = append(bad, problem.Field{Field: "lines.quantity", Message: "must be 1 to 999"})
		}
	}
	if len(bad) > 0 {
		return problem.Validation(bad...)
	}
	return nil
}

func (h handler) release(c *gin.Context) error {
	var in productv1.ReleaseRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		return problem.Validation(problem.Field{Field: "order_id", Message: "must be an id"})
	}
	if err := h.inventory.ReleaseHold(c.Request.Context(), in.OrderID); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) adjust(c *gin.Context) error {
	id, err := web.ID(c, "id", "product")
	if err != nil {
		return err
	}
	var in struct {
		Delta  *int64  `json:"delta"`
		Reason *string `json:"reason"`
	}
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if err := required(map[string]bool{"delta": in.Delta != nil, "reason": in.Reason != nil}); err != nil {
		return err
	}
	answer, err := h.catalog.AdjustStockOnce(c.Request.Context(), key, actor(c), inventory.Adjustment{
		ProductID: id, Delta: *in.Delta, Reason: *in.Reason,
	}, stockAnswer)
	return server.WriteAnswer(c, answer, err)
}

func stockAnswer(s inventory.Stock) (keyed.Answer, error) {
	return keyed.JSON(http.StatusOK, gin.H{"on_hand": s.OnHand, "reserved": s.Reserved, "available": s.Available()})
}
