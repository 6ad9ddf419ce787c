package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/payment/internal/payment"
)

type handler struct {
	keys     *idempotency.Store
	payments *payment.Service
}

type cardInput struct {
	Number   string `json:"number"`
	ExpMonth int    `json:"exp_month"`
	ExpYear  int    `json:"exp_year"`
	CVC      string `json:"cvc"`
}

type view struct {
	ID       string    `json:"id"`
	OrderID  string    `json:"order_id"`
	Amount   int64     `json:"amount"`
	Currency string    `json:"currency"`
	Status   string    `json:"status"`
	Card     *cardView `json:"card,omitempty"` // empty while the card is entered at the provider

	NextAction  *payment.NextAction `json:"next_action,omitempty"`
	FailureCode string              `json:"failure_code,omitempty"`
	CreatedAt   time.Time           `json:"created_at"`
}

type cardView struct {
	Brand string `json:"brand"`
	Last4 string `json:"last4"`
}

func viewOf(p *payment.Payment) view {
	v := view{ID: p.ID, OrderID: p.OrderID, Amount: p.Amount, Currency: p.Currency, Status: string(p.Status),
		NextAction:  p.NextAction,
		FailureCode: p.FailureCode, CreatedAt: p.CreatedAt}
	if !p.Hosted() {
		v.Card = &cardView{p.Card.Brand, p.Card.Last4}
	}
	return v
}

func encode(p *payment.Payment) ([]byte, error) { return json.Marshal(viewOf(p)) }

func (h handler) pay(c *gin.Context) error {
	key, err := server.RequireKey(c, h.keys)
	if err != nil {
		return err
	}
	var in struct {
		OrderID string     `json:"order_id"`
		Card    *cardInput `json:"card"` // none: the shopper enters it at the provider
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if !ids.Valid(in.OrderID) {
		return problem.Validation(problem.Field{Field: "order_id", Message: "is not an id"})
	}
	answer, err := h.payments.Pay(c.Request.Context(), key, payment.PayRequest{OrderID: in.OrderID,
		OrderedAt: ids.Made(in.OrderID), Card: (*payment.Card)(in.Card)}, encode)
	return server.WriteAnswer(c, answer, err)
}

func (h handler) show(c *gin.Context) error {
	id, err := web.ID(c, "id", "payment")
	if err != nil {
		return err
	}
	p, err := h.payments.Show(c.Request.Context(), web.User(c).ID, id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, viewOf(p))
	return nil
}

func (h handler) listOfOrder(c *gin.Context) error {
	id, err := web.ID(c, "id", "order")
	if err != nil {
		return err
	}
	if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
		return err
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	before, err := page.After(c)
	if err != nil {
		return err
	}
	u := web.User(c)
	found, err := h.payments.ListOfOrder(c.Request.Context(), id,
		payment.Viewer{UserID: u.ID, Admin: u.Is(identity.Admin)}, before, size+1)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page.ByID(found, size, func(p *payment.Payment) string { return p.ID }, viewOf))
	return nil
}

func (h handler) cancel(c *gin.Context) error {
	id, err := web.ID(c, "id", "payment")
	if err != nil {
		return err
	}
	key, err := server.Keyed(c, h.keys)
	if err != nil {
		return err
	}
	answer, err := h.payments.CancelOnce(c.Request.Context(), key, id,
		func(p *payment.Payment) (keyed.Answer, error) { return keyed.JSON(http.StatusOK, viewOf(p)) })
	return server.WriteAnswer(c, answer, err)
}

// confirm answers a challenge of the sandbox for the shopper.
func (h handler) confirm(c *gin.Context) error {
	id, err := web.ID(c, "id", "payment")
	if err != nil {
		return err
	}
	var in struct {
		Approve *bool `json:"approve"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if in.Approve == nil {
		return problem.Validation(problem.Field{Field: "approve", Message: "is missing"})
	}
	p, err := h.payments.AnswerChallenge(c.Request.Context(), web.User(c).ID, id, *in.Approve)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, viewOf(p))
	return nil
}

// notice receives a provider's webhook. Its signature covers the exact bytes of the body.
func (h handler) notice(c *gin.Context) error {
	body, err := web.Body(c)
	if err != nil {
		return err
	}
	if err := h.payments.OnNotice(c.Request.Context(), "stripe", body, c.GetHeader("Stripe-Signature")); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
