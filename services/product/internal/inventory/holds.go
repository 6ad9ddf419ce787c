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
	Unavailable = "unavailable" // a product that is not for sale
)

// gateMissing is an answer of the gate only: it does not have a product, which must be rebuilt first.
const gateMissing = "missing"

// HoldResult is the answer to a hold: Held, or what is short.
type HoldResult struct {
	Status    string
	Shortages []Shortage
}

// Hold takes all lines of an order or none, once per order id, by one call of the gate. A refusal is a result, not an
// error.
func (s *Service) Hold(ctx context.Context, orderID string, lines []Line) (HoldResult, error) {
	held, unknown, err := s.holdInGate(ctx, orderID, lines)
	if err != nil {
		return HoldResult{}, err
	}
	if len(unknown) > 0 {
		return RefuseHold(unknown), nil
	}
	if held.Status == SoldOut {
		recorded, err := s.isRecorded(ctx, orderID)
		if err != nil {
			return HoldResult{}, err
		}
		if !recorded {
			return HoldResult{Status: SoldOut, Shortages: held.Shortages}, nil
		}
		// The order exists, and its hold has become a reservation: this is the retry of a checkout that succeeded. A
		// refusal would contradict the order.
	}
	return HoldResult{Status: Held}, nil
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
func (s *Service) holdInGate(ctx context.Context, id string, lines []Line) (held GateHold, unknown []string,
	err error) {
	for try := 1; ; try++ {
		held, err = s.gate.Hold(ctx, id, lines, s.holdTTL())
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
