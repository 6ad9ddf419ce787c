package inventory

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
)

// OpenHold says who holds how much of a product.
type OpenHold struct {
	OrderID   string
	ProductID string
	ShopperID string // "" if an earlier version made it
	Quantity  int64
	Unpaid    bool      // the reservation of an unpaid order; otherwise the hold of a running checkout
	Since     time.Time // zero for a hold of the gate, which is as old as its order's id
	Until     time.Time // when it ends by itself; zero if an earlier version made it
}

// HoldFilter selects open holds: "" is any. They are in the order of order and product ids.
type HoldFilter struct {
	OrderID, ProductID, ShopperID string
	AfterOrder, AfterProduct      string // the last one of the page before
	Limit                         int
}

func (f HoldFilter) passes(h OpenHold) bool {
	return (f.OrderID == "" || h.OrderID == f.OrderID) && (f.ProductID == "" || h.ProductID == f.ProductID) &&
		(f.ShopperID == "" || h.ShopperID == f.ShopperID) &&
		(f.AfterOrder == "" || compareHolds(h, OpenHold{OrderID: f.AfterOrder, ProductID: f.AfterProduct}) > 0)
}

func compareHolds(a, b OpenHold) int {
	for _, pair := range [][2]string{{a.OrderID, b.OrderID}, {a.ProductID, b.ProductID}} {
		switch {
		case LessID(pair[0], pair[1]):
			return -1
		case LessID(pair[1], pair[0]):
			return 1
		}
	}
	return 0
}

const (
	holdsBatch = 1000
	// maxListed bounds how many holds of running checkouts are searched; they live for a minute.
	maxListed = 20_000
)

// Operator shows who holds stock, and releases it.
type Operator struct {
	store  Store
	gate   Gate
	orders Orders
	keys   keyed.Runner
	log    *slog.Logger
}

// NewOperator makes the use cases of operators.
func NewOperator(store Store, gate Gate, orders Orders, keys keyed.Runner, log *slog.Logger) *Operator {
	return &Operator{store: store, gate: gate, orders: orders, keys: keys, log: log}
}

// Holds lists open holds. A hold that has become a reservation is listed once.
func (o *Operator) Holds(ctx context.Context, f HoldFilter) ([]OpenHold, error) {
	var found []OpenHold
	for skip := 0; skip < maxListed; skip += holdsBatch {
		page, err := o.gate.Holds(ctx, skip, holdsBatch)
		if err != nil {
			return nil, err
		}
		for _, h := range page {
			if f.passes(h) {
				found = append(found, h)
			}
		}
		if len(page) == 0 {
			break
		}
	}
	unpaid, err := o.store.UnpaidHolds(ctx, f)
	if err != nil {
		return nil, err
	}
	found = append(unpaid, found...) // of two with the same key the first stays
	slices.SortStableFunc(found, compareHolds)
	found = slices.CompactFunc(found, func(a, b OpenHold) bool { return compareHolds(a, b) == 0 })
	return found[:min(len(found), f.Limit)], nil
}

// Release is what an operator asks for.
type Release struct {
	OrderID string
	Reason  string
	Actor   string // the admin's id
}

// The outcomes of a release.
const (
	HoldReleased   = "hold_released"   // there was no order, and never will be
	OrderCancelled = "order_cancelled" // its stock is released by its event
)

var releaseReason = text.Rule{Required: true, Most: 200}

// ReleaseOnce releases what an order holds, once per key: the unpaid order is cancelled or, if there is none, can never
// be placed any more, and the hold is released.
func (o *Operator) ReleaseOnce(ctx context.Context, key keyed.Request, r Release,
	encode func(outcome string) (keyed.Answer, error)) (keyed.Answer, error) {
	if bad := releaseReason.Check("reason", r.Reason); len(bad) > 0 {
		return keyed.Answer{}, problem.Validation(bad...)
	}
	return o.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, run keyed.Run) (string, error) {
		if run.Fresh { // a run after a crash may find nothing, because the run before released it
			held, err := o.Holds(ctx, HoldFilter{OrderID: r.OrderID, Limit: 1})
			if err == nil && len(held) == 0 {
				err = problem.NewNotFound("hold")
			}
			if err != nil {
				return "", err
			}
		}
		return o.release(ctx, r, run.EffectID)
	}, encode))
}

func (o *Operator) release(ctx context.Context, r Release, effectID string) (outcome string, err error) {
	exists, err := o.orders.Fence(ctx, r.OrderID)
	switch {
	case err != nil:
		return "", err
	case exists:
		outcome, err = OrderCancelled, o.orders.Cancel(ctx, r.OrderID, effectID)
	default:
		outcome, err = HoldReleased, o.gate.Unhold(ctx, r.OrderID)
	}
	if err == nil {
		o.log.InfoContext(ctx, "an operator released stock", "order", r.OrderID, "outcome", outcome, "actor", r.Actor,
			"reason", r.Reason)
	}
	return outcome, err
}
