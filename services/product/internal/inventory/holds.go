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
	missing     = "missing"
	Unavailable = "unavailable" // a product that is not for sale
)

// HoldResult is the answer to a hold; unless it is Held, with what is short.
type HoldResult struct {
	Status    string
	Shortages []Shortage
}

// Hold takes all lines of an order or none, once per order id, by one call of the gate. A refusal is a result, not an
// error.
func (s *Service) Hold(ctx context.Context, orderID string, lines []Line) (HoldResult, error) {
	v, unknown, err := s.hold(ctx, orderID, lines)
	if err != nil {
		return HoldResult{}, err
	}
	if len(unknown) > 0 {
		return RefuseHold(unknown), nil
	}
	if v.Status == SoldOut {
		known, err := s.recorded(ctx, orderID)
		if err != nil {
			return HoldResult{}, err
		}
		if !known {
			return HoldResult{Status: SoldOut, Shortages: v.Shortages}, nil
		}
		// The order exists and its hold has become a reservation: this is the retry of a checkout that succeeded, and a
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

// ReleaseHold releases what an order holds. Call it only after a definite refusal; other holds expire through the
// fence.
func (s *Service) ReleaseHold(ctx context.Context, orderID string) error {
	return s.gate.Unhold(ctx, orderID)
}

// hold asks the gate, and again after rebuilding products that the gate had lost.
func (s *Service) hold(ctx context.Context, id string, lines []Line) (v ItemHold, unknown []string, err error) {
	for try := 1; ; try++ {
		v, err = s.gate.Hold(ctx, id, lines, s.ttl())
		if err != nil || v.Status != missing {
			return v, nil, err
		}
		s.metrics.GateMisses(len(v.Missing))
		if try > maxRebuilds {
			err := fmt.Errorf("products %v are still missing in the gate", v.Missing)
			return v, nil, problem.NewUnavailable(err, time.Second, "The stock is being counted. Try again in a moment.")
		}
		unknown, err = s.rebuilds.of(ctx, v.Missing)
		if err != nil || len(unknown) > 0 {
			return v, unknown, err
		}
	}
}

// recorded reports whether the ledger has recorded what was held under an id.
func (s *Service) recorded(ctx context.Context, holdID string) (bool, error) {
	_, recorded, err := s.store.StockSnapshot(ctx, nil, []string{holdID})
	return recorded[holdID], err
}
