package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
)

// fakePeers are product and order as checkout calls them. A connection can break before a call has an effect, or after
// it.
type fakePeers struct {
	price              int64
	left               int64
	holds              map[string]int64
	orders             map[string]int64 // order id → total
	fenced             map[string]bool
	cutHold, cutPlace  error
	cutAfterPlace      error
	cutRelease         error
	released, askFence int
	refuseHold         *HoldResult
	offSale            bool   // the seller has removed the product, which can still be held
	most               int64  // per order, 0: no maximum
	beforePlace        func() // runs once, between the hold and the order
}

func newFakePeers() *fakePeers {
	return &fakePeers{price: 100, left: 10, holds: map[string]int64{}, orders: map[string]int64{},
		fenced: map[string]bool{}}
}

func (w *fakePeers) Contents(context.Context) (CartContents, error) { return CartContents{}, nil }

func (w *fakePeers) Take(context.Context, string, []Item) error { return nil }

func (w *fakePeers) Hold(_ context.Context, id string, items []Item, _ int64) (HoldResult, error) {
	if w.cutHold != nil {
		return HoldResult{}, w.cutHold
	}
	if w.refuseHold != nil {
		return *w.refuseHold, nil
	}
	if _, held := w.holds[id]; !held {
		if items[0].Quantity > w.left {
			return HoldResult{Shortages: []Shortage{{items[0].ProductID, w.left}}}, nil
		}
		w.holds[id] = items[0].Quantity
		w.left -= items[0].Quantity
	}
	if w.most > 0 && items[0].Quantity > w.most {
		return HoldResult{Shortages: []Shortage{{items[0].ProductID, w.most}}, TooMany: true, StillHeld: true}, nil
	}
	if w.offSale {
		return HoldResult{Shortages: []Shortage{{items[0].ProductID, 0}}, StillHeld: true}, nil
	}
	return HoldResult{Lines: []Line{{ProductID: items[0].ProductID, Price: w.price, Currency: "CNY",
		Quantity: items[0].Quantity}}}, nil
}

func (w *fakePeers) Release(_ context.Context, id string) error {
	w.released++
	if w.cutRelease != nil {
		return w.cutRelease
	}
	w.left += w.holds[id]
	delete(w.holds, id)
	return nil
}

func (w *fakePeers) Products(_ context.Context, items []Item) (lines []Line, err error) {
	for _, it := range items {
		if w.offSale {
			continue
		}
		lines = append(lines, Line{ProductID: it.ProductID, Price: w.price, Currency: "CNY", Quantity: it.Quantity,
			MaxPerOrder: w.most})
	}
	return lines, nil
}

func (w *fakePeers) Place(_ context.Context, r Record, _ []Line, t Totals, _ int64) (Order, error) {
	if meanwhile := w.beforePlace; meanwhile != nil {
		w.beforePlace = nil
		meanwhile()
	}
	if w.cutPlace != nil {
		return nil, w.cutPlace
	}
	if w.fenced[r.OrderID] {
		return nil, problem.New(problem.Conflict, "checkout_expired", "too late")
	}
	if _, exists := w.orders[r.OrderID]; !exists {
		w.orders[r.OrderID] = t.Total
	}
	return w.Show(context.Background(), r.OrderID)
}

func (w *fakePeers) Fence(_ context.Context, id string) (bool, error) {
	w.askFence++
	_, exists := w.orders[id]
	w.fenced[id] = !exists
	return exists, nil
}

// due is when the orders of fakePeers are due.
var due = time.Now().Add(20 * time.Second).UTC().Truncate(time.Second)

func (w *fakePeers) AwaitsPayment(_ context.Context, id string) (time.Time, error) {
	switch _, exists := w.orders[id]; {
	case !exists:
		return time.Time{}, problem.NewNotFound("order")
	case id == "paid":
		return time.Time{}, nil
	default:
		return due, nil
	}
}

func (w *fakePeers) Show(_ context.Context, id string) (Order, error) {
	if w.cutAfterPlace != nil {
		return nil, w.cutAfterPlace
	}
	return Order(fmt.Sprintf("order %s for %d", id, w.orders[id])), nil
}

func (w *fakePeers) ChangeAddress(context.Context, string, PostalAddress) (Order, error) {
	return nil, nil
}

func newService(w *fakePeers) *Service {
	return NewService(nil, nil, nil, w, w, w, func() Shipping { return Shipping{Fee: 10} },
		func() Caps { return Caps{50, 1000} }, func() string { return "CNY" },
		slog.New(slog.DiscardHandler))
}

var timeout = problem.Wrap(errors.New("no answer"), problem.Timeout, "timeout", "no answer")

func rec(quantity int64) Record {
	return Record{OrderID: "1", UserID: "7", Items: []Item{{ProductID: "5", Quantity: quantity}}}
}

func TestFirstRunPlacesTheOrder(t *testing.T) {
	w := newFakePeers()
	o, err := newService(w).Run(t.Context(), rec(2), true)
	if err != nil || string(o) != "order 1 for 210" || w.askFence != 0 || w.released != 0 {
		t.Errorf("%s, %v, fence asked %d times, released %d; want the order in two calls", o, err, w.askFence, w.released)
	}
}

// In each row a run is interrupted somewhere. Nothing is released, and the next run makes exactly one order.
func TestARetryContinuesWhereverTheRunWasInterrupted(t *testing.T) {
	for name, cut := range map[string]func(w *fakePeers, err error){
		"before or in the hold":      func(w *fakePeers, err error) { w.cutHold = err },
		"before the order":           func(w *fakePeers, err error) { w.cutPlace = err },
		"after the order, no answer": func(w *fakePeers, err error) { w.cutAfterPlace = err },
	} {
		w := newFakePeers()
		cut(w, timeout)
		if _, err := newService(w).Run(t.Context(), rec(2), true); keyed.Definite(err) {
			t.Errorf("%s: %v counts as a definite answer", name, err)
		}
		if w.released != 0 {
			t.Errorf("%s: released after an unknown outcome", name)
		}
		cut(w, nil)
		w.price = 300 // the product's price has changed meanwhile; an existing order keeps its price
		o, err := newService(w).Run(t.Context(), rec(2), false)
		if err != nil || len(w.orders) != 1 || w.left != 8 {
			t.Errorf("%s: retry gave %s, %v; %d orders, %d left", name, o, err, len(w.orders), w.left)
		}
	}
}

// The order was placed, its answer was lost, and the price changed: the retry must not be refused.
func TestARetryReturnsAnExistingOrder(t *testing.T) {
	expected := int64(210)
	r := rec(2)
	r.ExpectedTotal = &expected
	w := newFakePeers()
	w.cutAfterPlace = timeout
	_, _ = newService(w).Run(t.Context(), r, true)
	w.cutAfterPlace, w.price = nil, 300
	if o, err := newService(w).Run(t.Context(), r, false); err != nil || string(o) != "order 1 for 210" {
		t.Errorf("retry: %s, %v; want the order as it was placed", o, err)
	}
}

// A run that stalls between its hold and its order is overtaken by another run of the same key, which may be
// interrupted, too. There is one hold and one order, and both runs return it.
func TestOverlappingRunsOfOneCheckoutMakeOneOrder(t *testing.T) {
	for name, overtakes := range map[string]func(w *fakePeers) error{
		"and finishes":       func(*fakePeers) error { return nil },
		"and is interrupted": func(w *fakePeers) error { w.cutPlace = timeout; return timeout },
	} {
		w := newFakePeers()
		s := newService(w)
		w.beforePlace = func() {
			cut := overtakes(w)
			w.price = 300
			if _, err := s.Run(t.Context(), rec(2), false); !errors.Is(err, cut) {
				t.Errorf("%s: the run that overtakes: %v", name, err)
			}
			w.cutPlace = nil
		}
		o, err := s.Run(t.Context(), rec(2), true)
		if err != nil || string(o) != "order 1 for 210" && string(o) != "order 1 for 610" || len(w.orders) != 1 ||
			w.left != 8 || w.released != 0 {
			t.Errorf("%s: the run that stalled: %s, %v; %d orders, %d left, released %d times; want one order for one hold",
				name, o, err, len(w.orders), w.left, w.released)
		}
	}
}

// A refusal stands although its release was lost: the hold expires through the fence, which is set already.
func TestALostReleaseDoesNotChangeTheRefusal(t *testing.T) {
	expected := int64(1)
	r := rec(2)
	r.ExpectedTotal = &expected
	w := newFakePeers()
	w.cutRelease = timeout
	if _, err := newService(w).Run(t.Context(), r, true); problem.CodeOf(err) != "price_changed" || w.released != 1 ||
		!w.fenced["1"] {
		t.Errorf("%v, released %d times, fenced %v; want the refusal, and a fence", err, w.released, w.fenced["1"])
	}
}

func TestPriceChangedIsFinal(t *testing.T) {
	expected := int64(210)
	r := rec(2)
	r.ExpectedTotal = &expected
	w := newFakePeers()
	w.price = 300
	if _, err := newService(w).Run(t.Context(), r, true); problem.CodeOf(err) != "price_changed" {
		t.Fatalf("%v, want price_changed", err)
	}
	if w.left != 10 || !w.fenced["1"] {
		t.Errorf("%d left, fenced %v; want everything released, and a fence", w.left, w.fenced["1"])
	}
}

func TestSoldOutReleasesTheHold(t *testing.T) {
	for alone, fences := range map[bool]int{true: 0, false: 1} {
		w := newFakePeers()
		_, err := newService(w).Run(t.Context(), rec(11), alone)
		if problem.CodeOf(err) != "sold_out" || w.askFence != fences || w.released != 0 {
			t.Errorf("alone %v: %v, fence asked %d times, released %d; want sold_out and %d", alone, err, w.askFence, w.released,
				fences)
		}
	}
}

// A product is removed from sale. With the refusal its hold is released, but an existing order keeps its hold.
func TestARemovedProductIsRefusedButExistingOrdersKeepIt(t *testing.T) {
	for _, alone := range []bool{true, false} {
		w := newFakePeers()
		w.offSale = true
		if _, err := newService(w).Run(t.Context(), rec(2), alone); problem.CodeOf(err) != "not_for_sale" || w.left != 10 ||
			w.fenced["1"] == alone {
			t.Errorf("alone %v: %v, %d left, fenced %v; want a refusal and everything released", alone, err, w.left,
				w.fenced["1"])
		}
		if _, err := newService(w).Quote(t.Context(), rec(2).Items); problem.CodeOf(err) != "not_for_sale" {
			t.Errorf("a quote: %v, want what the checkout says", err)
		}
	}
	w := newFakePeers()
	w.cutAfterPlace = timeout
	_, _ = newService(w).Run(t.Context(), rec(2), true)
	w.cutAfterPlace, w.offSale = nil, true
	if o, err := newService(w).Run(t.Context(), rec(2), false); err != nil || string(o) != "order 1 for 210" ||
		w.left != 8 || w.released != 0 {
		t.Errorf("the retry of an order: %s, %v, %d left, released %d times; want the order and its hold", o, err, w.left,
			w.released)
	}
}

// Quote and checkout refuse more than one order may have, with the product and the maximum. An order that exists stays.
func TestTooManyPerOrderAreRefused(t *testing.T) {
	w := newFakePeers()
	w.most = 2
	_, quoted := newService(w).Quote(t.Context(), rec(3).Items)
	_, ordered := newService(w).Run(t.Context(), rec(3), true)
	for what, err := range map[string]error{"quote": quoted, "checkout": ordered} {
		var refused *problem.Error
		if !errors.As(err, &refused) || refused.Code != "too_many_per_order" || refused.Kind != problem.Conflict ||
			fmt.Sprint(refused.Fields) != "[{5 at most 2 per order}]" {
			t.Errorf("%s: %v, want too_many_per_order", what, err)
		}
	}
	if w.left != 10 || len(w.orders) != 0 {
		t.Errorf("%d left, %d orders", w.left, len(w.orders))
	}
	w.cutAfterPlace = timeout
	_, _ = newService(w).Run(t.Context(), rec(2), true)
	w.cutAfterPlace, w.most = nil, 1
	if o, err := newService(w).Run(t.Context(), rec(2), false); err != nil || string(o) != "order 1 for 210" ||
		w.left != 8 {
		t.Errorf("the retry of an order: %s, %v, %d left; want the order and its hold", o, err, w.left)
	}
}

// The hold expired and its fence was set: the late run is refused and releases its new hold.
func TestARunAfterTheFenceIsRefused(t *testing.T) {
	w := newFakePeers()
	w.fenced["1"] = true
	if _, err := newService(w).Run(t.Context(), rec(2), false); problem.CodeOf(err) != "checkout_expired" || w.left != 10 {
		t.Errorf("%v, %d left; want checkout_expired and all 10", err, w.left)
	}
}

func TestLinesOfOneProductAreSummed(t *testing.T) {
	id := func(s string) bool { return s != "x" }
	line := func(id string, quantity int64) Item { return Item{ProductID: id, Quantity: quantity} }
	many := make([]Item, 101)
	for i := range many {
		many[i] = line(fmt.Sprint(i+1), 1)
	}
	for name, tt := range map[string]struct {
		in   []Item
		want string
	}{
		"one product twice": {[]Item{line("1", 2), line("2", 1), line("1", 3)}, "[{1 5 <nil>} {2 1 <nil>}]"},
		"none":              {[]Item{}, ""}, "too many": {many, ""}, "zero": {[]Item{line("1", 0)}, ""},
		"negative": {[]Item{line("1", -1)}, ""},
		"huge":     {[]Item{line("1", 1000)}, ""}, "huge together": {[]Item{line("1", 999), line("1", 1)}, ""},
		"no id": {[]Item{line("x", 1)}, ""},
	} {
		got, err := MergeItems(tt.in, id)
		if (err == nil) != (tt.want != "") || err == nil && fmt.Sprint(got) != tt.want || err != nil &&
			problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v, %v; want %q", name, got, err, tt.want)
		}
	}
	low, high := int64(90), int64(100)
	for _, seen := range [][2]*int64{{&low, &high}, {&high, &low}, {nil, &low}, {&low, nil}} {
		got, err := MergeItems([]Item{{"1", 1, seen[0]}, {"1", 1, seen[1]}}, id)
		if err != nil || got[0].SeenPrice == nil || *got[0].SeenPrice != low {
			t.Errorf("seen %v: %+v, %v, want the lower price", seen, got, err)
		}
	}
}

// A lower price that ends free shipping needs consent too if it makes the total higher.
func TestALowerPriceThatEndsFreeShippingNeedsConsent(t *testing.T) {
	seen := int64(150)
	for price, refused := range map[int64]bool{149: true, 145: false, 100: false} {
		w, r := newFakePeers(), rec(2)
		w.price, r.Items[0].SeenPrice = price, &seen
		s := newService(w)
		s.shipping = func() Shipping { return Shipping{Fee: 10, FreeFrom: 300} }
		_, err := s.Run(t.Context(), r, true)
		if (problem.CodeOf(err) == "price_changed") != refused || !refused && err != nil {
			t.Errorf("%d instead of %d: %v, want refused: %t", price, seen, err, refused)
		}
	}
}

// A rise needs consent: the total as expected_total. A fall does not.
func TestAHigherPriceThanTheSeenOneNeedsConsent(t *testing.T) {
	amount := func(n int64) *int64 { return &n }
	for name, c := range map[string]struct {
		seen, expected *int64
		price          int64
		refused        bool
	}{
		"dearer": {amount(100), nil, 120, true}, "dearer, agreed": {amount(100), amount(250), 120, false},
		"dearer, another total": {amount(100), amount(210), 120, true}, "cheaper": {amount(100), nil, 80, false},
		"was free": {amount(0), nil, 1, true}, "the same": {amount(100), nil, 100, false},
		"not known": {nil, nil, 120, false},
	} {
		w, r := newFakePeers(), rec(2)
		w.price, r.ExpectedTotal, r.Items[0].SeenPrice = c.price, c.expected, c.seen
		_, err := newService(w).Run(t.Context(), r, true)
		if (problem.CodeOf(err) == "price_changed") != c.refused || !c.refused && err != nil || c.refused == (w.left == 8) {
			t.Errorf("%s: %v, %d left", name, err, w.left)
		}
	}
}

func TestTotalsIncludeShipping(t *testing.T) {
	s := Shipping{Fee: 10, FreeFrom: 300}
	for quantity, want := range map[int64]int64{1: 110, 2: 210, 3: 300} {
		got, err := s.Price([]Line{{Price: 100, Currency: "CNY", Quantity: quantity}}, "CNY")
		if err != nil || got.Total != want {
			t.Errorf("%d × 100: %+v, %v; want %d", quantity, got, err, want)
		}
	}
	if _, err := s.Price([]Line{{Price: 1 << 62, Currency: "CNY", Quantity: 4}},
		"CNY"); problem.KindOf(err) != problem.Invalid {
		t.Errorf("overflow: %v, want invalid", err)
	}
	if _, err := s.Price([]Line{{Price: 1, Currency: "EUR", Quantity: 1}}, "CNY"); err == nil {
		t.Error("lines in another currency were added up")
	}
}
