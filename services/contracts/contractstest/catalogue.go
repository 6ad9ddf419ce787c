// Package contractstest holds an example of each event and of each call between services, and the checks by which a
// service shows that it keeps its contracts. Schemas, golden files and docs/events.md are generated from it.
package contractstest

import (
	"time"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/contracts/userv1"
)

// Event is an event type with an example of its data.
type Event struct {
	contracts.Event
	Sample any
}

var (
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	lines = []orderv1.EventLine{
		{ProductID: "501", SellerID: "5", Quantity: 2, Price: 12900},
		{ProductID: "502", SellerID: "6", Quantity: 1, Price: 4500},
	}
)

// samples are the examples, by event type.
var samples = map[string]any{
	orderv1.TypePlaced: orderv1.Placed{
		OrderID: "7001", AggregateVersion: 1, UserID: "42", Lines: lines, Total: 31300, Currency: "CNY",
		FromCart: true, PlacedAt: noon, PaymentDueAt: noon.Add(15 * time.Minute),
	},
	orderv1.TypePaid: orderv1.Paid{
		OrderID: "7001", AggregateVersion: 2, UserID: "42", PaymentID: "9001", Lines: lines, Amount: 31300,
		Currency: "CNY", At: noon.Add(time.Minute),
	},
	orderv1.TypeCancelled: orderv1.Cancelled{
		OrderID: "7001", AggregateVersion: 2, UserID: "42", Reason: orderv1.ReasonTimeout, Lines: lines,
		Total: 31300, Currency: "CNY", At: noon.Add(16 * time.Minute),
	},
	orderv1.TypeRefundRequested: orderv1.RefundRequested{
		OrderID: "7001", AggregateVersion: 3, PaymentID: "9001", Amount: 31300, Currency: "CNY",
		Reason: orderv1.ReasonLatePayment, At: noon.Add(17 * time.Minute),
	},
	paymentv1.TypeSucceeded: paymentv1.Succeeded{
		PaymentID: "9001", OrderID: "7001", AggregateVersion: 2, Amount: 31300, Currency: "CNY",
		At: noon.Add(time.Minute),
	},
	paymentv1.TypeRefunded: paymentv1.Refunded{
		PaymentID: "9001", OrderID: "7001", AggregateVersion: 3, Amount: 31300, Currency: "CNY",
		At: noon.Add(18 * time.Minute),
	},
	stockv1.TypeRejected: stockv1.Rejected{
		OrderID: "7001", AggregateVersion: 1,
		Shortages: []stockv1.Shortage{{ProductID: "501", Available: 1}}, At: noon.Add(time.Second),
	},
	userv1.TypeBanned: userv1.Banned{UserID: "42", AggregateVersion: 3, Roles: []string{"customer"}, At: noon},
	userv1.TypeUnbanned: userv1.Unbanned{
		UserID: "42", AggregateVersion: 4, Roles: []string{"customer"}, At: noon.Add(time.Hour),
	},
	userv1.TypeRolesChanged: userv1.RolesChanged{
		UserID: "42", AggregateVersion: 5, Roles: []string{"customer", "seller"},
		At: noon.Add(2 * time.Hour),
	},
	userv1.TypePassword: userv1.PasswordChanged{UserID: "42", AggregateVersion: 6, At: noon.Add(3 * time.Hour)},
	userv1.TypeDeleted:  userv1.Deleted{UserID: "42", AggregateVersion: 7, At: noon.Add(4 * time.Hour)},
}

// Events are all events of the mall, by topic.
func Events() (all []Event) {
	for _, e := range contracts.Events() {
		all = append(all, Event{e, samples[e.Type]})
	}
	return all
}
