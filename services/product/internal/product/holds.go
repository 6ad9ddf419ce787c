package product

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/services/kit/problem"
)

// The verdicts on a hold.
const (
	Held        = "held"
	SoldOut     = "sold_out"
	missing     = "missing"
	Unavailable = "unavailable" // a product that is not for sale
)

// HeldLine is a line with what the catalogue says at this moment.
type HeldLine struct {
	Line
	SellerID string
	Name     string
	Price    int64
	Currency string
}

// HoldResult is the answer to a hold: priced lines, or what is short.
type HoldResult struct {
	Status    string
	Lines     []HeldLine
	Shortages []Shortage
}

// Holds is the way of a checkout through the gate.
type Holds struct {
	store    Store
	gate     Gate
	rebuilds rebuilds
	ttl      func() time.Duration
	metrics  Metrics
}

// NewHolds makes the use cases of holds; ttl is how long a hold lives without an order.
func NewHolds(store Store, gate Gate, ttl func() time.Duration, meter Metrics) *Holds {
	return &Holds{store: store, gate: gate, ttl: ttl, metrics: meter, rebuilds: newRebuilds(store, gate, meter)}
}

// Hold takes all lines of an order or nothing, once per order id, by one call of
// the gate, and prices them by one query. Refusals are results, not errors.
func (h *Holds) Hold(ctx context.Context, orderID string, lines []Line) (HoldResult, error) {
	verdict, unknown, err := h.hold(ctx, orderID, lines)
	if err != nil {
		return HoldResult{}, err
	}
	if len(unknown) > 0 {
		return unavailable(unknown), nil
	}
	if verdict.Status == SoldOut {
		known, err := h.recorded(ctx, orderID)
		if err != nil {
			return HoldResult{}, err
		}
		if !known {
			return HoldResult{Status: SoldOut, Shortages: verdict.Shortages}, nil
		}
		// The order exists and its hold has become a reservation: this is a retry of
		// a checkout that succeeded, and refusing it would contradict the order.
	}
	return h.priced(ctx, lines)
}

// Release gives back what an order holds. Callers do so only after a definite
// refusal; a hold nobody releases goes through the fence.
func (h *Holds) Release(ctx context.Context, orderID string) error {
	return h.gate.Unhold(ctx, orderID)
}

// hold asks the gate, and again after products it had lost were rebuilt.
func (h *Holds) hold(ctx context.Context, id string, lines []Line) (v ItemHold, unknown []string, err error) {
	for try := 1; ; try++ {
		v, err = h.gate.Hold(ctx, id, lines, h.ttl())
		if err != nil || v.Status != missing {
			return v, nil, err
		}
		h.metrics.GateMisses(len(v.Missing))
		if try > maxRebuilds {
			return v, nil, problem.NewUnavailable(fmt.Errorf("products %v are still missing in the gate", v.Missing), time.Second, "The stock is being counted. Try again in a moment.")
		}
		unknown, err = h.rebuilds.of(ctx, v.Missing)
		if err != nil || len(unknown) > 0 {
			return v, unknown, err
		}
	}
}

func (h *Holds) recorded(ctx context.Context, orderID string) (bool, error) {
	_, recorded, err := h.store.StockSnapshot(ctx, nil, []string{orderID})
	return recorded[orderID], err
}

// priced reads names and prices after the hold, all by one query, so that no line
// is older than its hold. If a product was removed the hold stays: this may be
// the retry of a checkout whose order exists, and only its caller can find out.
func (h *Holds) priced(ctx context.Context, lines []Line) (HoldResult, error) {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ProductID
	}
	views, err := h.store.Views(ctx, ids)
	if err != nil {
		return HoldResult{}, err
	}
	by := make(map[string]View, len(views))
	for _, v := range views {
		by[v.ID] = v
	}
	res := HoldResult{Status: Held}
	var gone []string
	for _, l := range Merge(lines) {
		v, ok := by[l.ProductID]
		if !ok || v.Deleted {
			gone = append(gone, l.ProductID)
			continue
		}
		res.Lines = append(res.Lines, HeldLine{Line: l, SellerID: v.SellerID, Name: v.Name, Price: v.Price.Amount, Currency: v.Price.Currency})
	}
	if len(gone) > 0 {
		return unavailable(gone), nil
	}
	return res, nil
}

func unavailable(ids []string) HoldResult {
	slices.Sort(ids)
	res := HoldResult{Status: Unavailable}
	for _, id := range slices.Compact(ids) {
		res.Shortages = append(res.Shortages, Shortage{ProductID: id})
	}
	return res
}

// take holds for an adjustment. One that was kept already needs no hold.
func (h *Holds) take(ctx context.Context, a Adjustment) error {
	_, recorded, err := h.store.StockSnapshot(ctx, nil, []string{a.HoldID()})
	if err != nil || recorded[a.HoldID()] {
		return err
	}
	v, unknown, err := h.hold(ctx, a.HoldID(), []Line{{ProductID: a.ProductID, Quantity: -a.Delta}})
	switch {
	case err != nil:
		return err
	case len(unknown) > 0:
		return Missing()
	case v.Status == SoldOut:
		return insufficient(v.Shortages[0].Available)
	}
	return nil
}

// drop gives a useless hold back; if that fails, its time runs out.
func (h *Holds) drop(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := h.gate.Unhold(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		h.metrics.HoldExpired("failed")
	}
}
