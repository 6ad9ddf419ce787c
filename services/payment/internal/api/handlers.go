package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/ids"
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

func (h handler) pay(c *gin.Context) error {
	key, err := web.Key(c.Request.Header)
	if err != nil {
		return err
	}
	if key == "" {
		return web.NeedKey()
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
	card := (*payment.Card)(in.Card)
	if err := h.payments.CheckCard(card); err != nil {
		return err
	}
	body, err := web.Body(c)
	if err != nil {
		return err
	}
	r := idempotency.Run{User: web.User(c).ID, Key: key,
		Fingerprint: h.keys.Fingerprint(http.MethodPost, "/v1/payments", body)}
	ctx, done := idempotency.Detached(c.Request.Context())
	defer done()
	p, resumed, replay, err := h.begin(ctx, r, in.OrderID, card)
	if err != nil {
		return err
	}
	if replay != nil {
		server.Replay(c, *replay)
		return nil
	}
	var outcome payment.Outcome // of a resumed attempt: the settler finds out
	if !resumed {
		if outcome, err = h.payments.Charge(ctx, p, card); err != nil {
			h.release(ctx, r)
			return err
		}
	}
	return h.finish(c, r, p, outcome)
}

// youngFor is how old an order may be while its event has probably not arrived.
const youngFor = 2 * time.Second

// begin commits the key and the attempt together, before the provider is called. A refusal is kept with the key.
func (h handler) begin(ctx context.Context, r idempotency.Run, orderID string, card *payment.Card) (p *payment.Payment,
	resumed bool, replay *idempotency.Answer, err error) {
	effectID, err := h.keys.NextEffect()
	if err != nil {
		return nil, false, nil, err
	}
	if p, err = h.beginNew(ctx, r, effectID, orderID, card); p != nil || err != nil {
		return p, false, nil, err
	}
	start := func(ctx context.Context, effectID string) (err error) {
		p, resumed, err = h.payments.Start(ctx, effectID, r.User, orderID, card)
		return err
	}
	replay, err = h.claim(ctx, r, effectID, start)
	if !errors.Is(err, payment.ErrNoBill) {
		return p, resumed, replay, err
	}
	if refused := h.payments.OpenBill(ctx, r.User, orderID); refused != nil {
		start = func(context.Context, string) error { return refused }
	}
	replay, err = h.claim(ctx, r, effectID, start)
	return p, resumed, replay, err
}

// beginNew begins a first request on an open bill, by one statement; otherwise it returns nil. A shopper who pays at
// once may be here before the order's event: it is waited for, without holding anything.
func (h handler) beginNew(ctx context.Context, r idempotency.Run, effectID, orderID string,
	card *payment.Card) (*payment.Payment, error) {
	if time.Since(ids.Made(orderID)).Abs() > youngFor {
		return h.payments.StartNew(ctx, effectID, orderID, card, payment.Run(r))
	}
	there, done := h.payments.AwaitBill(orderID)
	defer done()
	if p, err := h.payments.StartNew(ctx, effectID, orderID, card, payment.Run(r)); p != nil || err != nil {
		return p, err
	}
	if err := there(ctx); err != nil {
		return nil, err
	}
	return h.payments.StartNew(ctx, effectID, orderID, card, payment.Run(r))
}

// claim commits the key together with what start writes, or with its refusal.
func (h handler) claim(ctx context.Context, r idempotency.Run, effectID string,
	start func(ctx context.Context, effectID string) error,
) (*idempotency.Answer, error) {
	var claim idempotency.Claim
	var refused error
	err := h.keys.Tx(ctx, func(ctx context.Context) error {
		var err error
		refused = nil
		if claim, err = h.keys.BeginAs(ctx, r, effectID, nil); err != nil || claim.Answer != nil {
			return err
		}
		switch refused = start(ctx, claim.EffectID); problem.KindOf(refused) {
		case problem.Conflict, problem.NotFound:
			return h.keys.Finish(ctx, r.User, r.Key, server.Refusal(ctx, refused))
		}
		return refused
	})
	if err != nil {
		return nil, err
	}
	return claim.Answer, refused
}

// finish commits the outcome of the attempt together with the answer of the key, and sends the answer.
func (h handler) finish(c *gin.Context, r idempotency.Run, p *payment.Payment, o payment.Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), 3*time.Second)
	defer cancel()
	// What fails here is done below, also if it was done and its connection broke.
	if answer, err := h.payments.KeepNew(ctx, p, o, payment.Run(r), created); err == nil && answer != nil {
		c.Data(answer.Status, "application/json; charset=utf-8", answer.Body)
		return nil
	}
	var answer idempotency.Answer
	var refused error
	err := h.keys.Tx(ctx, func(ctx context.Context) error {
		p, err := h.payments.RecordOutcome(ctx, p.ID, o)
		if err != nil {
			return err
		}
		if refused = nil; p.Status == payment.Failed {
			refused = p.Refusal()
		}
		if refused != nil {
			answer = server.Refusal(ctx, refused)
		} else {
			made, err := created(p)
			if err != nil {
				return err
			}
			answer = idempotency.Answer{Status: made.Status, Body: made.Body}
		}
		if !idempotency.Kept(answer.Status) {
			return h.keys.Release(ctx, r.User, r.Key)
		}
		return h.keys.Finish(ctx, r.User, r.Key, answer)
	})
	if err != nil {
		h.release(c.Request.Context(), r)
		return err
	}
	if refused != nil {
		return refused
	}
	c.Data(answer.Status, "application/json; charset=utf-8", answer.Body)
	return nil
}

// created answers with an attempt.
func created(p *payment.Payment) (payment.Answer, error) {
	body, err := json.Marshal(viewOf(p))
	return payment.Answer{Status: http.StatusCreated, Body: body}, err
}

func (h handler) release(ctx context.Context, r idempotency.Run) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	_ = h.keys.Release(ctx, r.User, r.Key) // if it fails, the lease ends by itself
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

func (h handler) cancel(c *gin.Context) error {
	id, err := web.ID(c, "id", "payment")
	if err != nil {
		return err
	}
	p, err := h.payments.Cancel(c.Request.Context(), web.User(c).ID, id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, viewOf(p))
	return nil
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
	p, err := h.payments.Answer(c.Request.Context(), web.User(c).ID, id, *in.Approve)
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
