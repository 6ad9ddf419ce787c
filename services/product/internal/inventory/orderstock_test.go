package inventory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// run applies events of one order as a store does: for each event it loads what the earlier ones saved.
func run(t *testing.T, stock Stock, events string) (Stock, State, bool, error) {
	t.Helper()
	lines := []Line{{ProductID: "7", Quantity: 2}, {ProductID: "7", Quantity: 1}}
	var reservations []Reservation
	rejected := false
	for _, e := range strings.Fields(events) {
		b := NewOrderStock("1", NewStockByProduct(stock), slices.Clone(reservations), rejected)
		verb := map[string]func([]Line) error{"placed": b.Place, "paid": b.Pay, "cancelled": b.Cancel}[e]
		if err := verb(lines); err != nil {
			return stock, "", rejected, fmt.Errorf("%s: %w", e, err)
		}
		c := b.Changes()
		for _, s := range c.Balances() {
			stock = s
		}
		if len(c.Reservations) > 0 {
			reservations = c.Reservations
		}
		rejected = rejected || c.Rejection != nil
	}
	state := State("")
	if len(reservations) == 1 {
		state = reservations[0].State
	}
	return stock, state, rejected, nil
}

func TestAnOrderMovesStockOnceWhateverTheOrderOfEvents(t *testing.T) {
	for _, c := range []struct {
		events           string
		onHand, reserved int64
		state            State
	}{
		{"placed", 10, 4, Reserved},
		{"placed placed", 10, 4, Reserved},
		{"placed paid", 7, 1, Deducted},
		{"placed paid paid placed", 7, 1, Deducted},
		{"paid", 7, 1, Deducted},
		{"paid placed", 7, 1, Deducted},
		{"placed cancelled", 10, 1, Released},
		{"placed cancelled cancelled placed", 10, 1, Released},
		{"cancelled", 10, 1, Released},
		{"cancelled placed", 10, 1, Released},
		{"cancelled cancelled placed", 10, 1, Released},
	} {
		got, state, rejected, err := run(t, Stock{ProductID: "7", OnHand: 10, Reserved: 1, Version: 5}, c.events)
		if err != nil || got.OnHand != c.onHand || got.Reserved != c.reserved || state != c.state || rejected {
			t.Errorf(
				"%s: %+v %s rejected %t, %v; want %d on hand, %d reserved, %s", c.events, got, state, rejected, err, c.onHand,
				c.reserved, c.state,
			)
		}
	}
}

func TestARejectedOrderLeavesStockAlone(t *testing.T) {
	for _, events := range []string{"placed", "placed paid", "placed cancelled", "paid",
		"paid cancelled placed", "placed placed"} {
		start := Stock{ProductID: "7", OnHand: 3, Reserved: 1, Version: 5}
		got, state, rejected, err := run(t, start, events)
		if err != nil || got != start || state != "" || !rejected {
			t.Errorf("%s: %+v %s rejected %t, %v; want a rejection and %+v", events, got, state, rejected, err, start)
		}
	}
}

func TestAnOrderCannotBeBothPaidAndCancelled(t *testing.T) {
	for _, events := range []string{"placed paid cancelled", "placed cancelled paid", "cancelled paid", "paid cancelled"} {
		if _, _, _, err := run(t, Stock{ProductID: "7", OnHand: 10}, events); err == nil {
			t.Errorf("%s was accepted, want an error", events)
		}
	}
}

func TestAllLinesOrNone(t *testing.T) {
	b := NewOrderStock(
		"1", NewStockByProduct(Stock{ProductID: "7", OnHand: 10}, Stock{ProductID: "8", OnHand: 1}), nil, false,
	)
	if err := b.Place([]Line{{"7", 1}, {"8", 2}, {"9", 1}}); err != nil {
		t.Fatal(err)
	}
	c := b.Changes()
	want := []Shortage{{"8", 1}, {"9", 0}}
	if len(c.Entries) > 0 || len(c.Reservations) > 0 || c.Rejection == nil || !slices.Equal(c.Rejection.Shortages, want) {
		t.Errorf("%+v, want only a rejection with %v", c, want)
	}
}

func TestInvalidEventsAreRefused(t *testing.T) {
	for name, verb := range map[string]func(*OrderStock) error{
		"placed without lines":    func(b *OrderStock) error { return b.Place(nil) },
		"paid without lines":      func(b *OrderStock) error { return b.Pay(nil) },
		"cancelled without lines": func(b *OrderStock) error { return b.Cancel(nil) },
		"a negative quantity":     func(b *OrderStock) error { return b.Place([]Line{{"7", -1}}) },
	} {
		b := NewOrderStock("1", NewStockByProduct(Stock{ProductID: "7", OnHand: 10}), nil, false)
		if err := verb(b); err == nil || len(b.Changes().Entries) > 0 {
			t.Errorf("%s: %v, %+v, want an error and no change", name, err, b.Changes())
		}
	}
}
