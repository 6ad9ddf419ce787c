package inventory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"daprmall.dev/services/kit/problem"
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

// Orders of a product whose tracking is switched on and off meanwhile: what an order reserved stays reserved until the
// order ends, and what it did not reserve is not deducted.
func TestSwitchingTrackingKeepsWhatOrdersReserved(t *testing.T) {
	type order struct {
		events       []string // that it has had
		reservations []Reservation
		rejected     bool
	}
	rapid.Check(t, func(t *rapid.T) {
		stock := Stock{ProductID: "7", OnHand: rapid.Int64Range(0, 6).Draw(t, "stock"), Version: 1}
		onHand, reserved := stock.OnHand, int64(0) // what they should be
		orders := map[string]*order{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.IntRange(0, 4).Draw(t, "switch") == 0 {
				stock.Untracked = !stock.Untracked
				continue
			}
			id := fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "order"))
			o := orders[id]
			if o == nil {
				o = &order{}
				orders[id] = o
			}
			event := rapid.SampledFrom([]string{"placed", "paid", "cancelled"}).Draw(t, "event")
			if event == "paid" && slices.Contains(o.events, "cancelled") ||
				event == "cancelled" && slices.Contains(o.events, "paid") {
				continue
			}
			first := len(o.reservations) == 0 && !o.rejected
			tracked, fits := !stock.Untracked, stock.Available() >= 2
			b := NewOrderStock(id, NewStockByProduct(stock), slices.Clone(o.reservations), o.rejected)
			verb := map[string]func([]Line) error{"placed": b.Place, "paid": b.Pay, "cancelled": b.Cancel}[event]
			if err := verb([]Line{{"7", 2}}); err != nil {
				t.Fatalf("%s of order %s: %v", event, id, err)
			}
			before := o.reservations
			c := b.Changes()
			for _, after := range c.Balances() {
				stock = after
			}
			if len(c.Reservations) > 0 {
				o.reservations = c.Reservations
			}
			o.rejected, o.events = o.rejected || c.Rejection != nil, append(o.events, event)
			if first {
				if o.rejected != (tracked && !fits && event != "cancelled") {
					t.Fatalf("%s of order %s: rejected %t, tracked %t, %+v", event, id, o.rejected, tracked, stock)
				}
				if tracked && !o.rejected && event != "cancelled" {
					reserved += 2
				}
			}
			ends := len(o.reservations) == 1 && o.reservations[0].State != Reserved
			ended := len(before) == 1 && before[0].State != Reserved
			if ends && !ended && !o.reservations[0].Untracked && (!first || event != "cancelled") {
				reserved -= 2
				if o.reservations[0].State == Deducted {
					onHand -= 2
				}
			}
			if stock.OnHand != onHand || stock.Reserved != reserved {
				t.Fatalf("%s of order %s: %+v, want %d on hand and %d reserved", event, id, stock, onHand, reserved)
			}
		}
	})
}

func TestStockThatIsNotTrackedIsNeverShortNorAdjusted(t *testing.T) {
	for _, events := range []string{"placed", "placed placed", "placed paid", "paid placed", "placed cancelled",
		"cancelled placed"} {
		start := Stock{ProductID: "7", OnHand: 1, Version: 5, Untracked: true}
		got, state, rejected, err := run(t, start, events)
		if err != nil || got != start || state == "" || rejected {
			t.Errorf("%s: %+v %s rejected %t, %v; want a reservation and %+v", events, got, state, rejected, err, start)
		}
	}
	s := Stock{ProductID: "7", OnHand: 1, Version: 5, Untracked: true}
	if _, err := s.Adjust(Adjustment{Delta: 1, Actor: "5"}); problem.CodeOf(err) != "stock_not_tracked" || s.OnHand != 1 {
		t.Errorf("adjust: %v, %+v", err, s)
	}
}
