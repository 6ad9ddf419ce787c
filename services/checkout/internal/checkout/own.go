package checkout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Caps bound what one shopper can take from others without paying. Product and order enforce them. 0: no bound.
type Caps struct {
	OpenOrders int64 // unpaid orders
	HeldUnits  int64 // units of one product in unpaid orders and running checkouts
}

// OwnHold is what another order of the shopper holds of a product.
type OwnHold struct {
	ProductID string
	OrderID   string
	Quantity  int64
	Unpaid    bool      // false: a running checkout, whose order may or may not exist already
	Until     time.Time // when it ends, if the shopper does nothing
}

// maxAsked is how many orders a refusal asks order about.
const maxAsked = 5

// heldByOwn refuses what would be there without the shopper's own orders. Order is asked about them, because product
// hears of a new order, and of a paid one, only by events.
func (s *Service) heldByOwn(ctx context.Context, r Record, held HoldResult) error {
	var own []OwnHold
	for i, o := range held.Own {
		if i < maxAsked {
			switch due, err := s.orders.AwaitsPayment(ctx, o.OrderID); {
			case err == nil && due.IsZero():
				continue // paid, or cancelled: its stock is sold, or will be free
			case err == nil:
				o.Unpaid, o.Until = true, due
			}
		}
		own = append(own, o)
	}
	held.Own = own
	if !held.enoughWithout(r.Items) {
		return soldOut(held)
	}
	e := problem.New(problem.Conflict, "held_by_your_order",
		"What is left is in an unpaid order of yours. Pay that order (POST /v1/payments), or cancel it to order anew.")
	e.OrderIDs = unpaidOrders(held.Own)
	if len(e.OrderIDs) == 0 {
		e.Detail = "What is left is in an order of yours that is being placed. Wait for its answer."
	}
	for _, short := range held.Shortages {
		message := fmt.Sprintf("%d left", short.Available)
		for _, o := range held.Own {
			switch {
			case o.ProductID != short.ProductID:
			case o.Unpaid:
				message += fmt.Sprintf(", %d in your order %s", o.Quantity, o.OrderID)
			default:
				message += fmt.Sprintf(", %d in an order of yours that is being placed", o.Quantity)
			}
		}
		e = e.With(problem.Field{Field: short.ProductID, Message: message})
	}
	return e
}

// enoughWithout reports whether the items would be there without the shopper's own orders.
func (h HoldResult) enoughWithout(items []Item) bool {
	for _, short := range h.Shortages {
		own, _ := unitsOf(h.Own, short.ProductID)
		for _, it := range items {
			if it.ProductID == short.ProductID && it.Quantity > short.Available+own {
				return false
			}
		}
	}
	return true
}

// tooManyHeld refuses more units of a product than a shopper may have in running checkouts and unpaid orders. Order is
// asked about those of which product has not heard.
func (s *Service) tooManyHeld(ctx context.Context, held HoldResult, most int64) error {
	held.Own = slices.Clone(held.Own)
	for i, o := range held.Own[:min(len(held.Own), maxAsked)] {
		if o.Unpaid {
			continue
		}
		if due, err := s.orders.AwaitsPayment(ctx, o.OrderID); err == nil && !due.IsZero() {
			held.Own[i].Unpaid, held.Own[i].Until = true, due
		}
	}
	e := problem.New(problem.Conflict, "too_many_held_units",
		"You have too many units of a product in unpaid orders; %d are allowed. Pay or cancel one of these orders.",
		most)
	e.OrderIDs = unpaidOrders(held.Own)
	if len(held.Own) == 0 {
		e.Detail = fmt.Sprintf("You may have at most %d units of a product in unpaid orders. Order fewer.", most)
	}
	for i, short := range held.Shortages {
		used, until := unitsOf(held.Own, short.ProductID)
		e = e.With(problem.Field{Field: short.ProductID,
			Message: fmt.Sprintf("%d more at most: %d are in unpaid orders of yours", short.Available, used)})
		if i == 0 {
			e = e.Limited(problem.Limit{Name: "checkout.max_held_units", Most: most, Used: used, Until: until})
		}
		if i == 0 && !until.IsZero() {
			e = e.After(max(time.Until(until), time.Second))
		}
	}
	return e
}

// unitsOf returns how much of a product own orders hold, and when the first of them ends.
func unitsOf(own []OwnHold, productID string) (used int64, until time.Time) {
	for _, o := range own {
		if o.ProductID == productID {
			used += o.Quantity
			if until.IsZero() || !o.Until.IsZero() && o.Until.Before(until) {
				until = o.Until
			}
		}
	}
	return used, until
}

// unpaidOrders returns the ids of orders that can be paid.
func unpaidOrders(own []OwnHold) (orderIDs []string) {
	for _, o := range own {
		if o.Unpaid {
			orderIDs = append(orderIDs, o.OrderID)
		}
	}
	slices.Sort(orderIDs)
	return slices.Compact(orderIDs)
}
