package inventory

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
)

// Adjustment is a manual change of stock: a delivery, a loss.
type Adjustment struct {
	ID        string
	ProductID string
	Delta     int64
	Reason    string
	Actor     string // the id of the user who makes it
}

// HoldID is the name under which a negative adjustment holds in the gate.
func (a Adjustment) HoldID() string { return adjustmentPrefix + a.ID }

const adjustmentPrefix = "adj-"

// Validate rejects a change without effect or reason, field by field.
func (a Adjustment) Validate() error {
	var bad []problem.Field
	if a.Delta == 0 || a.Delta > MaxQuantity || a.Delta < -MaxQuantity {
		bad = append(bad, problem.Field{Field: "delta", Message: "must be a whole number, not 0, of at most 1000000000"})
	}
	if n := utf8.RuneCountInString(a.Reason); n < 1 || n > 200 {
		bad = append(bad, problem.Field{Field: "reason", Message: "must have 1 to 200 characters"})
	}
	if len(bad) > 0 {
		return problem.Validation(bad...)
	}
	return nil
}

// Adjust adds or removes stock. Stock to be removed is held in the gate first, like a sale: otherwise it could be stock
// that buyers hold already.
func (s *Service) Adjust(ctx context.Context, a Adjustment) (Stock, error) {
	if err := a.Validate(); err != nil {
		return Stock{}, err
	}
	decide := func(s *Stock) (Entry, error) { return s.Adjust(a) }
	if a.Delta > 0 {
		return s.store.Adjust(ctx, a, decide)
	}
	if err := s.holdAdjustment(ctx, a); err != nil {
		return Stock{}, err
	}
	after, err := s.store.Adjust(ctx, a, decide)
	if refused(err) {
		// Certainly nothing was removed, so the hold is released. After any other failure it stays until it expires: the
		// commit may have happened.
		s.dropHold(ctx, a.HoldID())
	}
	return after, err
}

// refused distinguishes a refusal from a failure.
func refused(err error) bool {
	switch problem.KindOf(err) {
	case "", problem.Internal, problem.Unavailable, problem.Timeout:
		return false
	}
	return true
}

// holdAdjustment holds what an adjustment removes. A recorded one needs no hold.
func (s *Service) holdAdjustment(ctx context.Context, a Adjustment) error {
	known, err := s.recorded(ctx, a.HoldID())
	if err != nil || known {
		return err
	}
	v, unknown, err := s.hold(ctx, a.HoldID(), []Line{{ProductID: a.ProductID, Quantity: -a.Delta}})
	switch {
	case err != nil:
		return err
	case len(unknown) > 0:
		return problem.NewNotFound("product")
	case v.Status == SoldOut:
		return insufficient(v.Shortages[0].Available)
	}
	return nil
}

// dropHold releases a hold. If that fails, it expires.
func (s *Service) dropHold(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.gate.Unhold(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		s.metrics.HoldExpired("failed")
	}
}
