package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
)

type handler struct {
	keys     *idempotency.Store
	checkout *checkout.Service
}

type request struct {
	AddressID     string           `json:"address_id"`
	Items         *[]checkout.Item `json:"items"`
	ExpectedTotal *int64           `json:"expected_total"`
}

func (r request) read() (checkout.Request, error) {
	out := checkout.Request{AddressID: r.AddressID, ExpectedTotal: r.ExpectedTotal}
	if !ids.Valid(r.AddressID) {
		return out, problem.Validation(problem.Field{Field: "address_id", Message: "is not an id"})
	}
	if r.ExpectedTotal != nil && *r.ExpectedTotal < 0 {
		return out, problem.Validation(problem.Field{Field: "expected_total", Message: "is negative"})
	}
	var err error
	if r.Items != nil {
		out.Items, err = checkout.MergeItems(*r.Items, ids.Valid)
	}
	return out, err
}

func (h handler) checkOut(c *gin.Context) error {
	key, err := server.RequireKey(c, h.keys)
	if err != nil {
		return err
	}
	var in request
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	req, err := in.read()
	if err != nil {
		return err
	}
	answer, err := h.checkout.CheckOut(c.Request.Context(), key, req)
	return server.WriteAnswer(c, answer, err)
}

type quoteLine struct {
	ProductID string `json:"product_id"`
	SellerID  string `json:"seller_id"`
	Name      string `json:"name"`
	Price     int64  `json:"price"`
	Quantity  int64  `json:"quantity"`
	LineTotal int64  `json:"line_total"`
	Available int64  `json:"available"`
}

type quoteBody struct {
	Lines    []quoteLine `json:"lines"`
	Subtotal int64       `json:"subtotal"`
	Shipping int64       `json:"shipping"`
	Total    int64       `json:"total"`
	Currency string      `json:"currency"`
}

func (h handler) quote(c *gin.Context) error {
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	var in struct {
		Items *[]checkout.Item `json:"items"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	var items []checkout.Item
	if in.Items != nil {
		if items, err = checkout.MergeItems(*in.Items, ids.Valid); err != nil {
			return err
		}
	}
	answer, err := h.checkout.QuoteOnce(c.Request.Context(), key, items, quoteAnswer)
	return server.WriteAnswer(c, answer, err)
}

func quoteAnswer(q checkout.Quote) (keyed.Answer, error) {
	out := quoteBody{Lines: make([]quoteLine, len(q.Lines)), Subtotal: q.Totals.Subtotal, Shipping: q.Totals.Shipping,
		Total: q.Totals.Total, Currency: q.Totals.Currency}
	for i, l := range q.Lines {
		out.Lines[i] = quoteLine{l.ProductID, l.SellerID, l.Name, l.Price, l.Quantity, l.Price * l.Quantity, l.Available}
	}
	return keyed.JSON(http.StatusOK, out)
}

func (h handler) changeAddress(c *gin.Context) error {
	id, err := web.ID(c, "id", "order")
	if err != nil {
		return err
	}
	var in struct {
		AddressID string `json:"address_id"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.AddressID) {
		return problem.Validation(problem.Field{Field: "address_id", Message: "is not an id"})
	}
	order, err := h.checkout.ChangeAddress(c.Request.Context(), web.User(c).ID, id, in.AddressID)
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", order)
	return nil
}
