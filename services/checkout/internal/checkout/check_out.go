package checkout

import (
	"context"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
)

// Records keeps the record of each checkout: what was asked for, and what became of it.
type Records interface {
	// Begin claims a new key and keeps the record of its checkout, by one statement. It returns false if the key is not
	// new; it keeps nothing then.
	Begin(ctx context.Context, run keyed.Run, r Record) (bool, error)
	// Find returns what the first run has kept.
	Find(ctx context.Context, run keyed.Run) (Record, error)
	// End keeps what became of a checkout, with the answer of its key.
	End(ctx context.Context, run keyed.Run, a keyed.Answer) error
	// EraseAddresses removes the addresses from the checkouts of a deleted account.
	EraseAddresses(ctx context.Context, userID string) error
}

// CheckOut places an order, once per key. The record is committed with the key before anything is held. A run after a
// crash goes on with that record and the same order id, whatever the cart or the address are by then.
func (s *Service) CheckOut(ctx context.Context, key keyed.Request, r Request) (keyed.Answer, error) {
	c := &checkingOut{Service: s, request: r}
	return s.keys.Do(ctx, key, keyed.Work{BeginNew: c.beginNew, Begin: c.begin, Act: c.act, FinishNew: c.finish})
}

// checkingOut is the work of a checkout.
type checkingOut struct {
	*Service
	request Request
	record  Record
	refused error // a definite refusal before anything began
}

func (c *checkingOut) beginNew(ctx context.Context, run keyed.Run) (bool, error) {
	if c.request.Items == nil { // a repetition must neither ask cart again nor fail because cart does
		if seen, err := c.keys.Seen(ctx, run.User, run.Key); seen || err != nil {
			return false, err
		}
	}
	c.record, c.refused = c.Resolve(ctx, run.User, c.request)
	switch {
	case c.refused == nil:
		c.record.OrderID = run.EffectID
		return c.records.Begin(ctx, run, c.record)
	case keyed.Definite(c.refused):
		return false, nil // begin decides: it refuses only if the key is new
	}
	return false, c.refused
}

func (c *checkingOut) begin(ctx context.Context, run keyed.Run) (err error) {
	if run.Fresh && c.refused != nil {
		return c.refused
	}
	if c.record, err = c.records.Find(ctx, run); problem.KindOf(err) == problem.NotFound {
		return problem.New(problem.Conflict, "checkout_expired",
			"This checkout is too old. Try again with a new Idempotency-Key.")
	}
	return err
}

func (c *checkingOut) act(ctx context.Context, run keyed.Run) (keyed.Answer, error) {
	order, err := c.Run(ctx, c.record, run.Fresh)
	return keyed.Created(order), err
}

func (c *checkingOut) finish(ctx context.Context, run keyed.Run, a keyed.Answer) (*keyed.Answer, error) {
	return &a, c.records.End(ctx, run, a)
}
