package payment

import (
	"cmp"
	"context"
	"errors"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
)

// eventWithin is how long after an order was placed its event may not have arrived yet.
const eventWithin = 2 * time.Second

// PayRequest is a shopper's request to pay an order.
type PayRequest struct {
	OrderID   string
	OrderedAt time.Time // as the order's id says
	Card      *Card     // nil: the shopper enters it at the provider
}

// Pay charges an order, once per key. The attempt is committed with the key before the provider is called, the outcome
// with the answer. encode writes the answer.
func (s *Service) Pay(ctx context.Context, key keyed.Request, r PayRequest, encode func(*Payment) ([]byte, error),
) (keyed.Answer, error) {
	if err := s.CheckCard(r.Card); err != nil {
		if r.Card == nil {
			err = cmp.Or(s.needsNoCard(ctx, key.User, r.OrderID), err)
		}
		return keyed.Answer{}, err
	}
	p := &paying{Service: s, PayRequest: r, encode: encode}
	work := keyed.Work{BeginNew: p.beginNew, Begin: p.begin, Act: p.act, FinishNew: p.finishNew, Finish: p.finish}
	answer, err := s.keys.Do(ctx, key, work)
	if !errors.Is(err, ErrNoBill) {
		return answer, err
	}
	if refused := s.OpenBill(ctx, key.User, r.OrderID); refused != nil {
		work = keyed.Work{Begin: func(context.Context, keyed.Run) error { return refused }}
	}
	return s.keys.Do(ctx, key, work)
}

// paying is the work of a request to pay.
type paying struct {
	*Service
	PayRequest
	encode func(*Payment) ([]byte, error)

	attempt *Payment
	resumed bool    // an earlier run wrote the attempt; its card is gone
	outcome Outcome // of a resumed attempt: unknown, the settler finds out
}

// beginNew begins an attempt on an open bill. A shopper who pays at once may be here before the order's event: it is
// waited for, without holding anything.
func (p *paying) beginNew(ctx context.Context, run keyed.Run) (bool, error) {
	start := func() (bool, error) {
		var err error
		p.attempt, err = p.StartNew(ctx, run, p.OrderID, p.Card)
		return p.attempt != nil, err
	}
	if p.now().Sub(p.OrderedAt).Abs() > eventWithin {
		return start()
	}
	wait, done := p.AwaitBill(p.OrderID)
	defer done()
	if begun, err := start(); begun || err != nil {
		return begun, err
	}
	if err := wait(ctx); err != nil {
		return false, err
	}
	return start()
}

func (p *paying) begin(ctx context.Context, run keyed.Run) (err error) {
	p.attempt, p.resumed, err = p.Start(ctx, run.EffectID, run.User, p.OrderID, p.Card)
	// An attempt of the first run was written by beginNew, whose answer got lost: no card was sent.
	p.resumed = p.resumed && !run.Fresh
	return err
}

func (p *paying) act(ctx context.Context, _ keyed.Run) (_ keyed.Answer, err error) {
	if !p.resumed {
		p.outcome, err = p.Charge(ctx, p.attempt, p.Card)
	}
	return keyed.Answer{}, err
}

func (p *paying) finishNew(ctx context.Context, run keyed.Run, _ keyed.Answer) (*keyed.Answer, error) {
	return p.KeepNew(ctx, p.attempt, p.outcome, run, p.encode)
}

func (p *paying) finish(ctx context.Context, _ keyed.Run, _ keyed.Answer) (keyed.Answer, error) {
	attempt, err := p.RecordOutcome(ctx, p.attempt.ID, p.outcome)
	if err != nil {
		return keyed.Answer{}, err
	}
	if attempt.Status == Failed {
		return keyed.Refuse(attempt.Refusal()), nil
	}
	body, err := p.encode(attempt)
	return keyed.Created(body), err
}
