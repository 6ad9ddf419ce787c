// Package contractstest holds the catalogue of what services tell and ask each other, with an example of each, and the
// checks by which a service shows that it keeps to it. Schemas, golden files and docs/events.md are written from it.
package contractstest

import (
	"slices"
	"time"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/contracts/userv1"
)

// Apps are all that may call a service.
var Apps = []string{"api-gateway", "assistant", "auth", "cart", "checkout", "order", "payment", "product", "user"}

// Event is a kind of event.
type Event struct {
	Type, Topic string
	Producer    string
	Consumers   []Consumer
	Package     string // of the contract, where its schema and example lie
	Key         string // the field of data that gives the CloudEvent's subject and the order of delivery
	When        string
	Sample      any
}

// Consumer is a service that handles an event, and what it does then.
type Consumer struct{ Service, Does string }

var (
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	lines = []orderv1.EventLine{{ProductID: "501", SellerID: "5", Quantity: 2, Price: 12900}, {ProductID: "502", SellerID: "6", Quantity: 1, Price: 4500}}
)

// Events are all events of the mall, by topic.
func Events() []Event {
	return []Event{
		{
			Type: orderv1.TypePlaced, Topic: orderv1.Topic, Producer: "order", Package: "orderv1", Key: "order_id",
			When: "An order was written: it awaits payment until payment_due_at.",
			Consumers: []Consumer{{"product", "reserves all lines, or rejects the order"}, {"cart", "takes out of the cart what was ordered from it"},
				{"payment", "opens the bill"}},
			Sample: orderv1.Placed{OrderID: "7001", AggregateVersion: 1, UserID: "42", Lines: lines, Total: 31300, Currency: "CNY", FromCart: true,
				PlacedAt: noon, PaymentDueAt: noon.Add(15 * time.Minute)},
		}, {
			Type: orderv1.TypePaid, Topic: orderv1.Topic, Producer: "order", Package: "orderv1", Key: "order_id",
			When:      "The money for an order arrived while it awaited payment.",
			Consumers: []Consumer{{"product", "takes what was reserved out of stock"}},
			Sample: orderv1.Paid{OrderID: "7001", AggregateVersion: 2, UserID: "42", PaymentID: "9001", Lines: lines, Amount: 31300, Currency: "CNY",
				At: noon.Add(time.Minute)},
		}, {
			Type: orderv1.TypeCancelled, Topic: orderv1.Topic, Producer: "order", Package: "orderv1", Key: "order_id",
			When: "An order was ended before it was paid: by the shopper, by the time, or because its stock was not there.",
			Consumers: []Consumer{{"product", "gives back what was reserved; writes the closed record if it never saw the placing"},
				{"payment", "closes the bill, cancels what is under way"}},
			Sample: orderv1.Cancelled{OrderID: "7001", AggregateVersion: 2, UserID: "42", Reason: orderv1.ReasonTimeout, Lines: lines, Total: 31300,
				Currency: "CNY", At: noon.Add(16 * time.Minute)},
		}, {
			Type: orderv1.TypeRefundRequested, Topic: orderv1.Topic, Producer: "order", Package: "orderv1", Key: "order_id",
			When:      "Money arrived for an order that cannot take it: it was cancelled, rejected or paid already.",
			Consumers: []Consumer{{"payment", "gives the money back, once per payment"}},
			Sample: orderv1.RefundRequested{OrderID: "7001", AggregateVersion: 3, PaymentID: "9001", Amount: 31300, Currency: "CNY",
				Reason: orderv1.ReasonLatePayment, At: noon.Add(17 * time.Minute)},
		}, {
			Type: paymentv1.TypeSucceeded, Topic: paymentv1.Topic, Producer: "payment", Package: "paymentv1", Key: "order_id",
			When:      "The provider captured money. Payment reports every success, whatever became of the order.",
			Consumers: []Consumer{{"order", "becomes paid, or asks for the money to be given back"}},
			Sample:    paymentv1.Succeeded{PaymentID: "9001", OrderID: "7001", AggregateVersion: 2, Amount: 31300, Currency: "CNY", At: noon.Add(time.Minute)},
		}, {
			Type: paymentv1.TypeRefunded, Topic: paymentv1.Topic, Producer: "payment", Package: "paymentv1", Key: "order_id",
			When:      "The provider gave the money of a payment back.",
			Consumers: []Consumer{{"order", "becomes refunded"}},
			Sample:    paymentv1.Refunded{PaymentID: "9001", OrderID: "7001", AggregateVersion: 3, Amount: 31300, Currency: "CNY", At: noon.Add(18 * time.Minute)},
		}, {
			Type: stockv1.TypeRejected, Topic: stockv1.Topic, Producer: "product", Package: "stockv1", Key: "order_id",
			When:      "The ledger does not have what a placed order needs. It happens only after Redis lost holds.",
			Consumers: []Consumer{{"order", "is cancelled with the reason out_of_stock, and has a payment given back"}},
			Sample:    stockv1.Rejected{OrderID: "7001", AggregateVersion: 1, Shortages: []stockv1.Shortage{{ProductID: "501", Available: 1}}, At: noon.Add(time.Second)},
		}, {
			Type: userv1.TypeBanned, Topic: userv1.Topic, Producer: "user", Package: "userv1", Key: "user_id",
			When:      "An admin closed an account.",
			Consumers: []Consumer{{"auth", "voids its tokens and ends its sessions, if the direct call has not"}},
			Sample:    userv1.Banned{UserID: "42", AggregateVersion: 3, Roles: []string{"customer"}, At: noon},
		}, {
			Type: userv1.TypeUnbanned, Topic: userv1.Topic, Producer: "user", Package: "userv1", Key: "user_id",
			When:      "An admin opened a closed account again.",
			Consumers: []Consumer{{"auth", "lets it sign in again"}},
			Sample:    userv1.Unbanned{UserID: "42", AggregateVersion: 4, Roles: []string{"customer"}, At: noon.Add(time.Hour)},
		}, {
			Type: userv1.TypeRolesChanged, Topic: userv1.Topic, Producer: "user", Package: "userv1", Key: "user_id",
			When:      "An admin replaced the roles of an account.",
			Consumers: []Consumer{{"auth", "voids tokens that say the old ones, if the direct call has not"}},
			Sample:    userv1.RolesChanged{UserID: "42", AggregateVersion: 5, Roles: []string{"customer", "seller"}, At: noon.Add(2 * time.Hour)},
		}, {
			Type: userv1.TypePassword, Topic: userv1.Topic, Producer: "user", Package: "userv1", Key: "user_id",
			When:      "Somebody changed the password of the own account, or reset it by mail.",
			Consumers: []Consumer{{"auth", "ends the other sessions, if the direct call has not"}},
			Sample:    userv1.PasswordChanged{UserID: "42", AggregateVersion: 6, At: noon.Add(3 * time.Hour)},
		}, {
			Type: userv1.TypeDeleted, Topic: userv1.Topic, Producer: "user", Package: "userv1", Key: "user_id",
			When: "Somebody deleted the own account. It is the last event of an account, and comes again after two minutes and after 26 hours: " +
				"a token that was still alive may have written meanwhile.",
			Consumers: []Consumer{{"auth", "voids its tokens and ends its sessions, if the direct call has not"}, {"cart", "forgets the cart"},
				{"checkout", "forgets addresses, and the records of checkouts"}, {"order", "forgets the names and streets of its orders"}},
			Sample: userv1.Deleted{UserID: "42", AggregateVersion: 7, At: noon.Add(4 * time.Hour)},
		},
	}
}

// Handles says whether a service handles the event.
func (e Event) Handles(service string) bool {
	return slices.ContainsFunc(e.Consumers, func(c Consumer) bool { return c.Service == service })
}
