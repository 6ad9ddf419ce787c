package inventory

import (
	"context"
	"errors"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
)

// Adjustment is a manual change of stock: a delivery, a loss.
type Adjustment struct {
	ID        string
	ProductID string
	Delta     int64
	Reason    string
	Actor     string // the id of the user who makes it
}

// AdjustmentPrefix distinguishes the holds of adjustments from those of orders.
const AdjustmentPrefix = "adj-"

// HoldID is the id of the hold of an adjustment that removes stock.
func (a Adjustment) HoldID() string { return AdjustmentPrefix + a.ID }

var reasonRule = text.Rule{Required: true, Most: 200}

// Validate rejects a change without effect or reason, field by field.
func (a Adjustment) Validate() error {
	var bad []problem.Field
	if a.Delta == 0 || a.Delta > MaxQuantity || a.Delta < -MaxQuantity {
		bad = append(bad, problem.Field{Field: "delta", Message: "must be a whole number, not 0, of at most 1000000000"})
	}
	bad = append(bad, reasonRule.Check("reason", a.Reason)...)
	if len(bad) > 0 {
		return problem.Validation(bad...)
	}
	return nil
}

// Adjust adds or removes stock. Stock that is to be removed is first held in the gate, like that of an order: otherwise
// it could be stock that is held for buyers.
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
	if isRefusal(err) {
		// Certainly nothing was removed, so the hold is released. After any other failure the commit may have happened, and
		// the hold stays until it expires.
		s.releaseHoldQuietly(ctx, a.HoldID())
	}
	return after, err
}

// isRefusal reports whether an error means that nothing was changed. After any other error that is unknown.
func isRefusal(err error) bool {
	switch problem.KindOf(err) {
	case "", problem.Internal, problem.Unavailable, problem.Timeout:
		return false
	}
	return true
}

// holdAdjustment holds the stock that an adjustment removes. If the ledger has recorded the adjustment, this is a retry
// and nothing is to be held.
func (s *Service) holdAdjustment(ctx context.Context, a Adjustment) error {
	stock, recorded, err := s.store.StockSnapshot(ctx, []string{a.ProductID}, []string{a.HoldID()})
	if err != nil || recorded[a.HoldID()] {
		return err
	}
	if len(stock) == 1 && stock[0].Untracked {
		return errNotTracked
	}
	held, unknown, err := s.holdInGate(ctx, Buyer{}, a.HoldID(), []Line{{ProductID: a.ProductID, Quantity: -a.Delta}})
	switch {
	case err != nil:
		return err
	case len(unknown) > 0:
		return problem.NewNotFound("product")
	case held.Status == SoldOut:
		return errInsufficient(held.Shortages[0].Available)
	}
	return nil
}

// releaseHoldQuietly releases a hold. If that fails it is only counted: the hold expires by itself.
func (s *Service) releaseHoldQuietly(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.gate.Unhold(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		s.metrics.HoldExpired("failed")
	}
}
