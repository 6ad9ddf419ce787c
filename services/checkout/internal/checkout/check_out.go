package checkout

import (
	"context"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
)

// Records keeps the record of each checkout: what was asked for, and what became of it.
type Records interface {
	// Begin claims a new key and keeps the record of its checkout, by one statement. It returns false, and has claimed
	// and kept nothing, if the key is not new, or if another checkout has taken the cart: see CartTaker. applied are the
	// orders that the cart of the record no longer contains.
	Begin(ctx context.Context, run keyed.Run, r Record, applied []string) (bool, error)
	// CartTaker returns the checkout of a user's cart because of which another one cannot begin, nil if there is none.
	CartTaker(ctx context.Context, userID string, applied []string) (*CartTaker, error)
	// EndTaker lets the next checkout of the cart begin, and keeps what became of this one if nobody has.
	EndTaker(ctx context.Context, orderID string, placed bool) error
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

// CodeExpired refuses a checkout that can have no order any more.
const CodeExpired = "checkout_expired"

// CartTaker is a checkout of a cart that is under way, or whose order the cart still contains.
type CartTaker struct {
	OrderID string
	Key     string
	Placed  bool
	Items   []Item
	Age     time.Duration
}

// checkingOut is the work of a checkout.
type checkingOut struct {
	*Service
	request Request
	record  Record
	refused error // a definite refusal before anything began
}

func (c *checkingOut) beginNew(ctx context.Context, run keyed.Run) (bool, error) {
	for deadline := time.Now().Add(awaitCartFor); ; {
		if c.request.Items == nil { // a repetition must neither ask cart again nor fail because cart does
			if seen, err := c.keys.Seen(ctx, run.User, run.Key); seen || err != nil {
				return false, err
			}
		}
		var applied []string
		c.record, applied, c.refused = c.Resolve(ctx, run.User, c.request)
		switch {
		case c.refused == nil:
		case keyed.Definite(c.refused):
			return false, nil // begin decides: it refuses only if the key is new
		default:
			return false, c.refused
		}
		c.record.OrderID = run.EffectID
		if begun, err := c.records.Begin(ctx, run, c.record, applied); begun || err != nil || !c.record.FromCart {
			return begun, err
		}
		if err := c.awaitCart(ctx, run, applied, deadline); err != nil {
			return false, err
		}
	}
}

func (c *checkingOut) begin(ctx context.Context, run keyed.Run) (err error) {
	if run.Fresh && c.refused != nil {
		return c.refused
	}
	if c.record, err = c.records.Find(ctx, run); problem.KindOf(err) == problem.NotFound {
		return problem.New(problem.Conflict, CodeExpired,
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
