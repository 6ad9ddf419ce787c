package inventory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/services/kit/problem"
)

// The results of a hold.
const (
	Held        = "held"
	SoldOut     = "sold_out"
	Unavailable = "unavailable"   // a product that is not for sale
	TooManyHeld = "too_many_held" // the shopper would hold more units of a product than allowed
	// HeldByOwn: sold out, but only because of what other orders of the shopper hold.
	HeldByOwn = "held_by_own"
)

// gateMissing is an answer of the gate only: it does not have a product, which must be rebuilt first.
const gateMissing = "missing"

// gateTooMany is the gate's word for TooManyHeld, which it decides without knowing which of the shopper's orders ended.
const gateTooMany = "too_many"

// HoldRequest asks for all lines of an order.
type HoldRequest struct {
	OrderID   string
	ShopperID string // "": not known, and not bounded
	MaxUnits  int64  // of one product in the shopper's holds and unpaid orders, with this one; 0: any number
	Lines     []Line
	Unpaid    []OwnUnits // what the ledger has reserved for the shopper of these products
}

// HoldResult is the answer to a hold: Held, or what is short.
type HoldResult struct {
	Status    string
	Shortages []Shortage // of TooManyHeld: how many more the shopper may hold
	Own       []OwnHold  // of TooManyHeld, SoldOut and HeldByOwn: what other orders of the shopper hold
}

// OwnHold is what another order of the shopper holds of a product.
type OwnHold struct {
	OwnUnits
	Unpaid bool      // an unpaid order; otherwise a checkout that is running, or has just ended
	Until  time.Time // when it ends, if the shopper does nothing
}

// Hold takes all lines of an order or none, once per order id, by one call of the gate. A refusal is a result, not an
// error.
func (s *Service) Hold(ctx context.Context, r HoldRequest) (HoldResult, error) {
	buyer := Buyer{ID: r.ShopperID, MaxUnits: r.MaxUnits, Unpaid: r.Unpaid}
	for {
		held, unknown, err := s.holdInGate(ctx, buyer, r.OrderID, r.Lines)
		switch {
		case err != nil:
			return HoldResult{}, err
		case len(unknown) > 0:
			return RefuseHold(unknown), nil
		case held.Status == Held:
			return HoldResult{Status: Held}, nil
		}
		recorded, err := s.isRecorded(ctx, r.OrderID)
		if err != nil {
			return HoldResult{}, err
		}
		if recorded {
			// The order exists, and its hold has become a reservation: this is the retry of a checkout that succeeded. A
			// refusal would contradict the order.
			return HoldResult{Status: Held}, nil
		}
		refusal, ended, err := s.explain(ctx, r, held)
		if err != nil || len(ended) == 0 {
			return refusal, err
		}
		// Each order ends once, so this comes to an end.
		buyer.Ended = append(buyer.Ended, ended...)
		for _, own := range refusal.Own {
			if !slices.Contains(buyer.Unpaid, own.OwnUnits) { // the gate takes as many entries as a shopper can have
				buyer.Unpaid = append(buyer.Unpaid, own.OwnUnits)
			}
		}
	}
}

// RefuseHold returns the result of a hold with products that are not for sale.
func RefuseHold(productIDs []string) HoldResult {
	res := HoldResult{Status: Unavailable}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(productIDs))) {
		res.Shortages = append(res.Shortages, Shortage{ProductID: id})
	}
	return res
}

// ReleaseHold releases what an order holds. Call it only after a definite refusal: after an unknown outcome the order
// may exist. Holds that are not released expire, after ExpireHolds has asked the fence.
func (s *Service) ReleaseHold(ctx context.Context, orderID string) error {
	return s.gate.Unhold(ctx, orderID)
}

// holdInGate asks the gate for a hold. If the gate has lost products, it rebuilds them and asks again. unknown are
// products that the ledger does not have either.
func (s *Service) holdInGate(ctx context.Context, b Buyer, id string, lines []Line) (held GateHold, unknown []string,
	err error) {
	for try := 1; ; try++ {
		held, err = s.gate.HoldFor(ctx, b, id, lines, s.holdTTL())
		if err != nil || held.Status != gateMissing {
			return held, nil, err
		}
		s.metrics.GateMisses(len(held.Missing))
		if try > maxRebuilds {
			err := fmt.Errorf("products %v are still missing in the gate", held.Missing)
			return held, nil, problem.NewUnavailable(err, time.Second, "The stock is being counted. Try again in a moment.")
		}
		unknown, err = s.rebuilds.rebuild(ctx, held.Missing)
		if err != nil || len(unknown) > 0 {
			return held, unknown, err
		}
	}
}

// isRecorded reports whether the ledger has recorded the order or adjustment with this hold's id.
func (s *Service) isRecorded(ctx context.Context, holdID string) (bool, error) {
	_, recorded, err := s.store.StockSnapshot(ctx, nil, []string{holdID})
	return recorded[holdID], err
}
