package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
)

type handler struct {
	keys     *idempotency.Store
	checkout *checkout.Service
}

type item struct {
	ProductID string      `json:"product_id"`
	Quantity  int64       `json:"quantity"`
	SeenPrice *money.Sent `json:"seen_price"`
}

// readItems returns nil for the cart.
func (h handler) readItems(in *[]item) ([]checkout.Item, error) {
	if in == nil {
		return nil, nil
	}
	items := make([]checkout.Item, len(*in))
	for i, it := range *in {
		seen, err := h.amount("items.seen_price", it.SeenPrice)
		if err != nil {
			return nil, err
		}
		items[i] = checkout.Item{ProductID: it.ProductID, Quantity: it.Quantity, SeenPrice: seen}
	}
	return checkout.MergeItems(items, ids.Valid)
}

// amount reads an amount that may be missing.
func (h handler) amount(field string, in *money.Sent) (*int64, error) {
	n, err := in.In(h.checkout.Currency())
	if err != nil || n != nil && *n < 0 {
		return nil, problem.Validation(problem.Field{Field: field,
			Message: `must be a whole number of minor units, like 1299, or a text with decimals, like "12.99"`})
	}
	return n, nil
}

type request struct {
	AddressID     string      `json:"address_id"`
	Items         *[]item     `json:"items"`
	ExpectedTotal *money.Sent `json:"expected_total"`
}

func (h handler) read(r request) (out checkout.Request, err error) {
	out.AddressID = r.AddressID
	if !ids.Valid(r.AddressID) {
		return out, problem.Validation(problem.Field{Field: "address_id", Message: "is not an id"})
	}
	if out.ExpectedTotal, err = h.amount("expected_total", r.ExpectedTotal); err != nil {
		return out, err
	}
	out.Items, err = h.readItems(r.Items)
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
	req, err := h.read(in)
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
	Available *int64 `json:"available"` // null: not tracked
	SeenPrice *int64 `json:"seen_price,omitempty"`
	ImageURL  string `json:"image_url,omitempty"`
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
		Items *[]item `json:"items"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	items, err := h.readItems(in.Items)
	if err != nil {
		return err
	}
	answer, err := h.checkout.QuoteOnce(c.Request.Context(), key, items, quoteAnswer)
	return server.WriteAnswer(c, answer, err)
}

func quoteAnswer(q checkout.Quote) (keyed.Answer, error) {
	out := quoteBody{Lines: make([]quoteLine, len(q.Lines)), Subtotal: q.Totals.Subtotal, Shipping: q.Totals.Shipping,
		Total: q.Totals.Total, Currency: q.Totals.Currency}
	for i, l := range q.Lines {
		out.Lines[i] = quoteLine{l.ProductID, l.SellerID, l.Name, l.Price, l.Quantity, l.Price * l.Quantity, &l.Available,
			l.SeenPrice, l.ImageURL}
		if l.Untracked {
			out.Lines[i].Available = nil
		}
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
