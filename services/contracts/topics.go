package contracts

import (
	"slices"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/contracts/userv1"
)

// Topic carries the events of one producer; no other service may publish to it.
type Topic struct {
	Name     string
	Producer string
	Package  string // the contract package, with schemas and examples
	Key      string // the field of data that is the CloudEvent's subject and the key of ordered delivery
	Events   []Event
}

// Event is an event type.
type Event struct {
	Type      string
	When      string
	Consumers []Consumer

	// The topic's fields, filled in by Events.
	Topic, Producer, Package, Key string
}

// Consumer is a service that handles an event, and what it then does.
type Consumer struct{ Service, Does string }

// Topics are all topics and the events they carry. Every event has a consumer: events that nobody handles are not
// published.
var Topics = []Topic{
	{Name: orderv1.Topic, Producer: "order", Package: "orderv1", Key: "order_id", Events: []Event{
		{
			Type: orderv1.TypePlaced,
			When: "An order was placed: it awaits payment until payment_due_at.",
			Consumers: []Consumer{
				{"product", "reserves all lines, or rejects the order"},
				{"cart", "removes what was ordered from the cart"},
				{"payment", "opens the bill"},
			},
		}, {
			Type:      orderv1.TypePaid,
			When:      "The money for an order arrived while it awaited payment.",
			Consumers: []Consumer{{"product", "takes what was reserved out of stock"}},
		}, {
			Type: orderv1.TypeCancelled,
			When: "An order ended before it was paid: the shopper cancelled it, its time ran out, or it is out of stock.",
			Consumers: []Consumer{
				{"product", "gives back what was reserved; writes the closed record if it did not see the order placed"},
				{"payment", "closes the bill and cancels a payment in progress"},
			},
		}, {
			Type:      orderv1.TypeRefundRequested,
			When:      "Money arrived for an order that cannot take it: it was cancelled, rejected or paid already.",
			Consumers: []Consumer{{"payment", "gives the money back, once per payment"}},
		},
	}},
	{Name: paymentv1.Topic, Producer: "payment", Package: "paymentv1", Key: "order_id", Events: []Event{
		{
			Type:      paymentv1.TypeSucceeded,
			When:      "The provider captured money. Payment reports every success, whatever the state of the order.",
			Consumers: []Consumer{{"order", "marks the order paid, or requests a refund"}},
		}, {
			Type:      paymentv1.TypeRefunded,
			When:      "The provider gave the money of a payment back.",
			Consumers: []Consumer{{"order", "marks the order refunded"}},
		},
	}},
	{Name: stockv1.Topic, Producer: "product", Package: "stockv1", Key: "order_id", Events: []Event{
		{
			Type: stockv1.TypeRejected,
			When: "The ledger does not have what a placed order needs. It happens only after Redis lost holds.",
			Consumers: []Consumer{{"order",
				"cancels the order with the reason out_of_stock, and requests a refund of a payment"}},
		},
	}},
	{Name: userv1.Topic, Producer: "user", Package: "userv1", Key: "user_id", Events: []Event{
		{
			Type: userv1.TypeBanned,
			When: "An admin closed an account.",
			Consumers: []Consumer{
				{"auth", "voids its tokens and ends its sessions, if the direct call has not"},
				{"product", "takes the seller's products off sale"},
			},
		}, {
			Type: userv1.TypeUnbanned,
			When: "An admin opened a closed account again.",
			Consumers: []Consumer{
				{"auth", "lets it sign in again"},
				{"product", "puts the seller's products on sale again"},
			},
		}, {
			Type: userv1.TypeRolesChanged,
			When: "An admin replaced the roles of an account.",
			Consumers: []Consumer{
				{"auth", "voids tokens with the old roles, if the direct call has not"},
				{"product", "takes the products of who sells no more off sale, and puts them on sale again"},
			},
		}, {
			Type:      userv1.TypePassword,
			When:      "A user changed the password, or reset it by mail.",
			Consumers: []Consumer{{"auth", "ends the other sessions, if the direct call has not"}},
		}, {
			Type: userv1.TypeDeleted,
			When: "A user deleted the account. It is an account's last event, and is published again after two minutes and " +
				"after 26 hours: requests with a token that was still valid may have stored data meanwhile.",
			Consumers: []Consumer{
				{"auth", "voids its tokens and ends its sessions, if the direct call has not"},
				{"product", "takes the seller's products off sale"},
				{"cart", "deletes the cart"},
				{"checkout", "deletes addresses, also those in the records of checkouts"},
				{"order", "removes names and streets from the orders"},
			},
		},
	}},
}

// Events are all events of the mall, by topic.
func Events() (all []Event) {
	for _, t := range Topics {
		for _, e := range t.Events {
			e.Topic, e.Producer, e.Package, e.Key = t.Name, t.Producer, t.Package, t.Key
			all = append(all, e)
		}
	}
	return all
}

// HandledBy reports whether a service handles the event.
func (e Event) HandledBy(service string) bool {
	return slices.ContainsFunc(e.Consumers, func(c Consumer) bool { return c.Service == service })
}

// Producers are the services that publish events.
func Producers() []string {
	return names(func(s Service) bool { return len(s.Publishes()) > 0 })
}

// Consumers are the services that handle events.
func Consumers() []string {
	return names(func(s Service) bool { return len(s.Follows()) > 0 })
}

// ConsumersOf are the services that handle events of a producer: they may read its feed.
func ConsumersOf(producer string) []string {
	return names(func(s Service) bool {
		return slices.ContainsFunc(Events(), func(e Event) bool { return e.Producer == producer && e.HandledBy(s.Name) })
	})
}

// UsesEvents reports whether the service publishes or handles any.
func (s Service) UsesEvents() bool { return len(s.Publishes())+len(s.Follows()) > 0 }

// Publishes are the topics of the service.
func (s Service) Publishes() (topics []string) {
	for _, t := range Topics {
		if t.Producer == s.Name {
			topics = append(topics, t.Name)
		}
	}
	return topics
}

// Follows are the topics with events that the service handles. It receives all events of such a topic on one route; its
// inbox ignores those that it does not handle.
func (s Service) Follows() (topics []string) {
	for _, t := range Topics {
		if slices.ContainsFunc(t.Events, func(e Event) bool { return e.HandledBy(s.Name) }) {
			topics = append(topics, t.Name)
		}
	}
	return topics
}
