package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/idempotency"
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

func (r request) read(userID string) (checkout.Request, error) {
	out := checkout.Request{UserID: userID, AddressID: r.AddressID, ExpectedTotal: r.ExpectedTotal}
	if !ids.Valid(r.AddressID) {
		return out, problem.Validation(problem.Field{Field: "address_id", Message: "is not an id"})
	}
	if r.ExpectedTotal != nil && *r.ExpectedTotal < 0 {
		return out, problem.Validation(problem.Field{Field: "expected_total", Message: "is negative"})
	}
	var err error
	if r.Items != nil {
		out.Items, err = checkout.Sum(*r.Items, ids.Valid)
	}
	return out, err
}

// run is one request with its key.
type run struct {
	user, key   string
	fingerprint []byte
}

func (h handler) checkOut(c *gin.Context) error {
	key, err := web.Key(c.Request.Header)
	if err != nil {
		return err
	}
	if key == "" {
		return web.NeedKey()
	}
	var in request
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	user := web.User(c).ID
	req, err := in.read(user)
	if err != nil {
		return err
	}
	body, err := web.Body(c)
	if err != nil {
		return err
	}
	r := run{user, key, h.keys.Fingerprint(http.MethodPost, "/v1/checkout", body)}
	ctx, done := idempotency.Detached(c.Request.Context())
	defer done()
	record, claim, err := h.begin(ctx, r, req)
	switch {
	case err != nil:
		return err
	case claim.Answer != nil:
		server.WriteAnswer(c, *claim.Answer)
		return nil
	case record == nil:
		return problem.New(problem.Conflict, "checkout_expired",
			"This checkout is too old. Try again with a new Idempotency-Key.")
	}
	order, err := h.checkout.Run(ctx, *record, claim.Fresh)
	return h.finish(c, r, order, err)
}

// begin commits the record with the key, by one statement, before anything is held. A repeated key goes on with its
// record, whatever the cart or the address are by now.
func (h handler) begin(ctx context.Context, r run, req checkout.Request) (*checkout.Record, idempotency.Claim, error) {
	if req.Items == nil { // a repetition must neither ask cart again nor fail because cart does
		seen, err := h.keys.Seen(ctx, r.user, r.key)
		if err != nil {
			return nil, idempotency.Claim{}, err
		}
		if seen {
			return h.claim(ctx, r, nil)
		}
	}
	resolved, refused := h.checkout.Resolve(ctx, req)
	switch {
	case refused == nil:
		text, err := json.Marshal(resolved)
		if err != nil {
			return nil, idempotency.Claim{}, err
		}
		return h.claim(ctx, r, text)
	case !checkout.Definite(refused):
		return nil, idempotency.Claim{}, refused
	}
	var record *checkout.Record
	var claim idempotency.Claim
	err := h.keys.Tx(ctx, func(ctx context.Context) error {
		var err error
		if record, claim, err = h.claim(ctx, r, nil); err != nil || !claim.Fresh {
			return err
		}
		// A definite refusal is kept as the answer of this key.
		return h.keys.Finish(ctx, r.user, r.key, server.Refusal(ctx, refused))
	})
	if err == nil && claim.Fresh {
		err = refused
	}
	return record, claim, err
}

// claim returns the record of the key: the one that is kept, or this one if the key is new.
func (h handler) claim(ctx context.Context, r run, record []byte) (*checkout.Record, idempotency.Claim, error) {
	claim, err := h.keys.Begin(ctx, r.user, r.key, r.fingerprint, record)
	if err != nil || claim.Answer != nil || claim.Record == nil {
		return nil, claim, err
	}
	kept := &checkout.Record{}
	if err := json.Unmarshal(claim.Record, kept); err != nil {
		return nil, claim, fmt.Errorf("read the record of checkout %s: %w", claim.EffectID, err)
	}
	kept.OrderID = claim.EffectID
	return kept, claim, nil
}

// finish keeps a definite answer and sends it. A client that has disconnected gets the same answer when it asks again.
func (h handler) finish(c *gin.Context, r run, order checkout.Order, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), 3*time.Second)
	defer cancel()
	if err != nil && !checkout.Definite(err) {
		if e := h.keys.Release(ctx, r.user, r.key); e != nil {
			return e
		}
		return err
	}
	answer := idempotency.Answer{Status: http.StatusCreated, Body: order}
	if err != nil {
		answer = server.Refusal(ctx, err)
	}
	if e := h.keys.Finish(ctx, r.user, r.key, answer); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	c.Data(http.StatusCreated, "application/json; charset=utf-8", order)
	return nil
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

type quote struct {
	Lines    []quoteLine `json:"lines"`
	Subtotal int64       `json:"subtotal"`
	Shipping int64       `json:"shipping"`
	Total    int64       `json:"total"`
	Currency string      `json:"currency"`
}

func (h handler) quote(c *gin.Context) error {
	var in struct {
		Items *[]checkout.Item `json:"items"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	var items []checkout.Item
	if in.Items != nil {
		var err error
		if items, err = checkout.Sum(*in.Items, ids.Valid); err != nil {
			return err
		}
	}
	lines, t, err := h.checkout.Quote(c.Request.Context(), items)
	if err != nil {
		return err
	}
	out := quote{Lines: make([]quoteLine, len(lines)), Subtotal: t.Subtotal, Shipping: t.Shipping, Total: t.Total,
		Currency: t.Currency}
	for i, l := range lines {
		out.Lines[i] = quoteLine{l.ProductID, l.SellerID, l.Name, l.Price, l.Quantity, l.Price * l.Quantity, l.Available}
	}
	c.JSON(http.StatusOK, out)
	return nil
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
