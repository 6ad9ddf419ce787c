package inventory

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
)

// Adjustment is a change by hand: a delivery, a loss.
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

// Validate refuses a change that has no effect or no reason, field by field.
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

// Adjust puts stock in or takes it out. What is taken out is held in the gate first, like a sale: otherwise buyers who
// hold it already would find it gone.
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
		// Nothing was taken out for certain, so the hold has no purpose. After any
		// other failure it stays until its time is over: the commit may have happened.
		s.dropHold(ctx, a.HoldID())
	}
	return after, err
}

// refused tells an answer from a failure.
func refused(err error) bool {
	switch problem.KindOf(err) {
	case "", problem.Internal, problem.Unavailable, problem.Timeout:
		return false
	}
	return true
}

// holdAdjustment holds what an adjustment takes out. One that was recorded already needs no hold.
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

// dropHold releases a hold without purpose. If that fails, it expires.
func (s *Service) dropHold(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.gate.Unhold(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		s.metrics.HoldExpired("failed")
	}
}
