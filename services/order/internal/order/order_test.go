package order

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daprmall.dev/services/kit/problem"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func placed(t *testing.T) *Order {
	t.Helper()
	o, events, err := Place(Draft{ID: "1", UserID: "7", Currency: "CNY", Shipping: 10,
		Lines: []Line{{ProductID: "5", Price: 100, Quantity: 2}}}, noon, noon.Add(time.Minute))
	if err != nil || len(events) != 1 || events[0].Kind != EventPlaced {
		t.Fatalf("place: %v, events %v", err, events)
	}
	return o
}

var full = Payment{ID: "p1", Amount: 210, Currency: "CNY"}

func in(t *testing.T, s Status) *Order {
	t.Helper()
	o := placed(t)
	switch s {
	case Paid:
		o.ApplyPayment(full, noon)
	case Cancelled, Refunded:
		if _, err := o.Cancel(ByShopper, "", noon); err != nil {
			t.Fatal(err)
		}
		if s == Refunded {
			o.MarkRefunded("p0", []RefundRequest{{"p0", LatePayment}}, noon)
		}
	}
	if o.state.Status != s {
		t.Fatalf("the order is %s, want %s", o.state.Status, s)
	}
	return o
}

func TestCancelOnlyWhileUnpaid(t *testing.T) {
	for from, want := range map[Status]problem.Kind{AwaitingPayment: "", Paid: problem.Conflict,
		Cancelled: problem.Conflict, Refunded: problem.Conflict} {
		o := in(t, from)
		before := o.state.Version
		_, err := o.Cancel(PaymentTimeout, "", noon)
		if problem.KindOf(err) != want {
			t.Errorf("cancel from %s: %v, want kind %q", from, err, want)
		}
		if err != nil && o.state.Version != before {
			t.Errorf("a refused cancel from %s changed the order", from)
		}
	}
}

// When a shopper's request is repeated after a crash, it succeeds again and publishes nothing more.
func TestARepeatedCancelPublishesNothing(t *testing.T) {
	o := placed(t)
	for try, want := range []int{1, 0} {
		events, err := o.Cancel(ByShopper, "r1", noon)
		if err != nil || len(events) != want {
			t.Errorf("try %d: %d events, %v; want %d", try, len(events), err, want)
		}
	}
	if _, err := o.Cancel(ByShopper, "r2", noon); problem.CodeOf(err) != "order_not_cancellable" {
		t.Errorf("another request: %v, want order_not_cancellable", err)
	}
	// A payment in progress arrived too late and was refunded before the request was repeated.
	o.ApplyPayment(Payment{"p1", 210, "CNY"}, noon)
	o.MarkRefunded("p1", []RefundRequest{{"p1", LatePayment}}, noon)
	if events, err := o.Cancel(ByShopper, "r1", noon); err != nil || len(events) != 0 || o.state.Status != Refunded {
		t.Errorf("after the refund: %d events, %v, %s; want success as before", len(events), err, o.state.Status)
	}
}

// In every state an arriving payment is either the order's payment or refunded, never both and never neither.
func TestEveryPaymentIsAcceptedOrRefunded(t *testing.T) {
	other := Payment{ID: "p2", Amount: 210, Currency: "CNY"}
	tests := []struct {
		name   string
		from   Status
		pay    Payment
		want   EventKind
		reason Reason
		status Status
	}{
		{"in time", AwaitingPayment, full, EventPaid, "", Paid},
		{"again", Paid, full, 0, "", Paid},
		{"second payment", Paid, other, EventRefundRequested, SecondPayment, Paid},
		{"too late", Cancelled, full, EventRefundRequested, LatePayment, Cancelled},
		{"after a refund", Refunded, other, EventRefundRequested, LatePayment, Refunded},
		{"too little", AwaitingPayment, Payment{"p1", 209, "CNY"}, EventRefundRequested, WrongAmount, AwaitingPayment},
		{"other currency", AwaitingPayment, Payment{"p1", 210, "EUR"}, EventRefundRequested, WrongAmount, AwaitingPayment},
	}
	for _, tt := range tests {
		o := in(t, tt.from)
		events := o.ApplyPayment(tt.pay, noon)
		var kind EventKind
		var why Reason
		if len(events) == 1 {
			kind, why = events[0].Kind, events[0].Reason
		}
		if len(events) > 1 || kind != tt.want || why != tt.reason || o.state.Status != tt.status {
			t.Errorf("%s: events %v, status %s; want kind %d reason %q, status %s", tt.name, events, o.state.Status, tt.want,
				tt.reason, tt.status)
		}
	}
}

// A cancelled order becomes refunded when its own payment is refunded, not when another one is.
func TestWhichRefundRefundsAnOrder(t *testing.T) {
	soldOut := func(o *Order) { o.ApplyPayment(full, noon); o.CancelOutOfStock(noon) }
	cancelled := func(o *Order) { _, _ = o.Cancel(ByShopper, "", noon) }
	tests := []struct {
		name   string
		before func(o *Order)
		asked  []RefundRequest
		back   []string
		want   Status
	}{
		{"the payment of an order out of stock", soldOut, []RefundRequest{{"p1", OutOfStock}}, []string{"p1"}, Refunded},
		{"a second payment of such an order", soldOut, []RefundRequest{{"p1", OutOfStock}, {"p2", LatePayment}},
			[]string{"p2"},
			Cancelled},
		{"both", soldOut, []RefundRequest{{"p1", OutOfStock}, {"p2", LatePayment}}, []string{"p2", "p1"}, Refunded},
		{"a second payment that came before", soldOut, []RefundRequest{{"p2", SecondPayment}, {"p1", OutOfStock}},
			[]string{"p2"},
			Cancelled},
		{"a refund that was not requested", soldOut, nil, []string{"p1", "p3"}, Cancelled},
		{"a payment that came too late", cancelled, []RefundRequest{{"p1", LatePayment}}, []string{"p1"}, Refunded},
		{"a second payment that came too late", cancelled, []RefundRequest{{"p1", LatePayment}, {"p2", LatePayment}},
			[]string{"p2"},
			Cancelled},
		{"a payment of a wrong amount", cancelled, []RefundRequest{{"p0", WrongAmount}}, []string{"p0"}, Cancelled},
		{"a payment of a wrong amount, then one that came too late", cancelled,
			[]RefundRequest{{"p0", WrongAmount}, {"p1", LatePayment}},
			[]string{"p0", "p1"}, Refunded},
		{"a second payment of a paid order", func(o *Order) { o.ApplyPayment(full, noon) },
			[]RefundRequest{{"p2", SecondPayment}}, []string{"p2"}, Paid},
	}
	for _, tt := range tests {
		o := placed(t)
		tt.before(o)
		for _, id := range tt.back {
			o.MarkRefunded(id, tt.asked, noon)
		}
		if o.state.Status != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, o.state.Status, tt.want)
		}
	}
}

func TestAnOrderOutOfStockIsCancelledAndRefunded(t *testing.T) {
	for from, want := range map[Status]struct {
		status Status
		events int
	}{AwaitingPayment: {Cancelled, 1}, Paid: {Cancelled, 2}, Cancelled: {Cancelled, 0}, Refunded: {Refunded, 0}} {
		o := in(t, from)
		if events := o.CancelOutOfStock(noon); len(events) != want.events || o.state.Status != want.status {
			t.Errorf("out of stock in %s: %v, %s; want %d events, %s", from, events, o.state.Status, want.events, want.status)
		}
	}
	o := in(t, Paid)
	o.CancelOutOfStock(noon)
	o.MarkRefunded("p1", []RefundRequest{{"p1", OutOfStock}}, noon)
	if o.state.Status != Refunded {
		t.Errorf("after the refund: %s, want refunded", o.state.Status)
	}
}

func TestAddressOnlyWhileUnpaid(t *testing.T) {
	for from, want := range map[Status]problem.Kind{AwaitingPayment: "", Paid: problem.Conflict,
		Cancelled: problem.Conflict, Refunded: problem.Conflict} {
		if err := in(t, from).ChangeAddress(Address{City: "Wuhan"}, noon); problem.KindOf(err) != want {
			t.Errorf("address from %s: %v, want kind %q", from, err, want)
		}
	}
}

func TestInvalidOrdersAreNotPlaced(t *testing.T) {
	line := Line{ProductID: "5", Price: 100, Quantity: 1}
	tests := map[string]Draft{
		"no lines":          {},
		"one product twice": {Lines: []Line{line, line}},
		"zero quantity":     {Lines: []Line{{ProductID: "5", Price: 1}}},
		"negative quantity": {Lines: []Line{{ProductID: "5", Price: 1, Quantity: -1}}},
		"negative price":    {Lines: []Line{{ProductID: "5", Price: -1, Quantity: 1}}},
		"overflowing line":  {Lines: []Line{{ProductID: "5", Price: math.MaxInt64, Quantity: 2}}},
		"overflowing sum":   {Lines: []Line{{ProductID: "5", Price: math.MaxInt64, Quantity: 1}, line}},
		"overflowing total": {Lines: []Line{{ProductID: "5", Price: math.MaxInt64, Quantity: 1}}, Shipping: 1},
		"negative shipping": {Lines: []Line{line}, Shipping: -1},
	}
	for name, d := range tests {
		if _, _, err := Place(d, noon, noon); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

// For any sequence of events, every payment is kept or refunded exactly once, and the order's version only grows.
func TestPaymentsBalanceAfterAnySequenceOfEvents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o, _, err := Place(Draft{ID: "1", UserID: "7", Currency: "CNY",
			Lines: []Line{{ProductID: "5", Price: 210, Quantity: 1}}}, noon, noon)
		if err != nil {
			rt.Fatal(err)
		}
		captured, refunded := map[string]bool{}, map[string]int{}
		version := o.state.Version
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			var events []Event
			switch rapid.SampledFrom([]string{"pay", "cancel", "lose"}).Draw(rt, "step") {
			case "pay":
				id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "payment")
				if !captured[id] { // the inbox and the refund table ignore repeats
					captured[id] = true
					events = o.ApplyPayment(Payment{id, 210, "CNY"}, noon)
				}
			case "cancel":
				events, _ = o.Cancel(ByShopper, "", noon)
			case "lose":
				events = o.CancelOutOfStock(noon)
			}
			for _, e := range events {
				if e.Kind == EventRefundRequested {
					refunded[e.Payment.ID]++
				}
			}
			if o.state.Version < version {
				rt.Fatalf("version went back from %d to %d", version, o.state.Version)
			}
			version = o.state.Version
		}
		for id := range captured {
			kept := o.state.Status == Paid && o.state.PaymentID == id
			if kept == (refunded[id] == 1) || refunded[id] > 1 {
				rt.Fatalf("payment %s: kept %v and refunded %d times; order %s", id, kept, refunded[id], o.state.Status)
			}
		}
	})
}
