package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/productv1"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/product"
)

const (
	maxLines    = 200
	maxQuantity = 999
)

func (h handler) hold(c *gin.Context) error {
	var in productv1.HoldRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if err := checkHold(in); err != nil {
		return err
	}
	lines := make([]product.Line, len(in.Lines))
	for i, l := range in.Lines {
		lines[i] = product.Line(l)
	}
	res, err := h.holds.Hold(c.Request.Context(), in.OrderID, lines)
	if err != nil {
		return err
	}
	out := productv1.HoldAnswer{Status: res.Status, Lines: []productv1.PricedLine{}, Shortages: []productv1.Shortage{}}
	for _, l := range res.Lines {
		out.Lines = append(out.Lines, productv1.PricedLine{ProductID: l.ProductID, SellerID: l.SellerID, Name: l.Name,
			Price: l.Price, Currency: l.Currency, Quantity: l.Quantity})
	}
	for _, s := range res.Shortages {
		out.Shortages = append(out.Shortages, productv1.Shortage(s))
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
	if err := h.holds.Release(c.Request.Context(), in.OrderID); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) products(c *gin.Context) error {
	var in productv1.GetRequest
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if len(in.IDs) > maxLines {
		return problem.Validation(problem.Field{Field: "ids", Message: "must have at most 200 entries"})
	}
	views, err := h.catalogue.Views(c.Request.Context(), in.IDs)
	if err != nil {
		return err
	}
	out := productv1.GetAnswer{Products: []productv1.Product{}}
	for _, v := range views {
		if v.Deleted {
			continue
		}
		out.Products = append(out.Products, productv1.Product{ID: v.ID, SellerID: v.SellerID, Name: v.Name,
			Price: v.Price.Amount, Currency: v.Price.Currency, Available: v.Available})
	}
	c.JSON(http.StatusOK, out)
	return nil
}
