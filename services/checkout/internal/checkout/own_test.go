package checkout

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
)

// What the shopper's own orders hold is a refusal of its own, with the orders that can be paid.
func TestRefusalsByOwnOrders(t *testing.T) {
	soon := time.Now().Add(time.Minute).UTC().Truncate(time.Second)
	later := soon.Add(time.Hour)
	for name, c := range map[string]struct {
		held    HoldResult
		code    string
		orders  []string
		message string
		limit   *problem.Limit
	}{
		"an unpaid order": {HoldResult{HeldByOwn: true, Own: []OwnHold{{"5", "7001", 2, true, soon}}},
			"held_by_your_order", []string{"7001"}, "0 left, 2 in your order 7001", nil},
		"an order of which product has not heard": {
			HoldResult{HeldByOwn: true, Own: []OwnHold{{"5", "placed", 2, false, soon}}},
			"held_by_your_order", []string{"placed"}, "2 in your order placed", nil},
		"an order that was just paid": {HoldResult{HeldByOwn: true, Own: []OwnHold{{"5", "paid", 2, true, soon}}},
			"sold_out", nil, "0 left", nil},
		"a paid and an unpaid order, which is not enough": {HoldResult{HeldByOwn: true,
			Own: []OwnHold{{"5", "paid", 1, true, soon}, {"5", "placed", 1, true, soon}}},
			"sold_out", []string{"placed"}, "0 left", nil},
		"a running checkout": {HoldResult{HeldByOwn: true, Own: []OwnHold{{"5", "7002", 2, false, soon}}},
			"held_by_your_order", nil, "2 in an order of yours that is being placed", nil},
		"too many units": {HoldResult{OverCap: true, Own: []OwnHold{{"5", "7002", 999, true, later},
			{"5", "7001", 1, false, soon}, {"6", "7001", 1, true, soon}}},
			"too_many_held_units", []string{"7001", "7002"}, "1000 are in unpaid orders of yours",
			&problem.Limit{Name: "checkout.max_held_units", Most: 1000, Used: 1000, Until: soon}},
		"too many units, in an order of which product has not heard": {
			HoldResult{OverCap: true, Own: []OwnHold{{"5", "placed", 3, false, soon}}},
			"too_many_held_units", []string{"placed"}, "0 more at most: 3 are in unpaid orders of yours",
			&problem.Limit{Name: "checkout.max_held_units", Most: 1000, Used: 3, Until: due}},
		"more units than anybody may have": {HoldResult{OverCap: true},
			"too_many_held_units", nil, "0 are in unpaid orders of yours",
			&problem.Limit{Name: "checkout.max_held_units", Most: 1000}},
		"sold out, also without the own order": {HoldResult{Own: []OwnHold{{"5", "7001", 1, true, soon}}},
			"sold_out", []string{"7001"}, "0 left", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFakePeers()
			w.orders["placed"], w.orders["paid"] = 100, 100
			c.held.Shortages = []Shortage{{"5", 0}}
			w.refuseHold = &c.held
			_, err := newService(w).Run(t.Context(), rec(2), true)
			var p *problem.Error
			if !errors.As(err, &p) || p.Kind != problem.Conflict || p.Code != c.code || !slices.Equal(p.OrderIDs, c.orders) {
				t.Fatalf("%+v, want %s with the orders %v", p, c.code, c.orders)
			}
			if len(p.Fields) != 1 || p.Fields[0].Field != "5" || !strings.Contains(p.Fields[0].Message, c.message) {
				t.Errorf("errors %v, want %q", p.Fields, c.message)
			}
			if (p.Limit == nil) != (c.limit == nil) || p.Limit != nil && *p.Limit != *c.limit {
				t.Errorf("limit %+v, want %+v", p.Limit, c.limit)
			}
			if p.Limit != nil && (p.RetryAfter == 0) != p.Limit.Until.IsZero() {
				t.Errorf("try again after %s, and the limit ends at %s", p.RetryAfter, p.Limit.Until)
			}
			if p.Limit != nil && !p.Limit.Until.IsZero() && (p.RetryAfter <= 0 || p.RetryAfter > time.Minute) {
				t.Errorf("try again after %s, want the time until the first of them ends", p.RetryAfter)
			}
			if w.released != 0 {
				t.Error("nothing was held, so nothing is to be released")
			}
		})
	}
}
