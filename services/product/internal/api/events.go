package api

import (
	"context"
	"encoding/json"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/product/internal/inventory"
)

// lockStock locks the stock of all products named in a batch, whatever the types of its events.
func (h handler) lockStock(ctx context.Context, events []outbox.CloudEvent) error {
	return h.inventory.Lock(ctx, productsOf(events)...)
}

// OnOrderPlaced reserves all lines of each order, or rejects the order.
func (h handler) OnOrderPlaced(ctx context.Context, events []orderv1.Placed) error {
	orders := make([]inventory.Order, len(events))
	for i, e := range events {
		orders[i] = orderOf(e.OrderID, e.Lines)
		orders[i].ShopperID, orders[i].DueAt = e.UserID, e.PaymentDueAt
	}
	return h.inventory.Reserve(ctx, orders...)
}

// OnOrderPaid deducts what the orders reserved.
func (h handler) OnOrderPaid(ctx context.Context, events []orderv1.Paid) error {
	orders := make([]inventory.Order, len(events))
	for i, e := range events {
		orders[i] = orderOf(e.OrderID, e.Lines)
	}
	return h.inventory.Deduct(ctx, orders...)
}

// OnOrderCancelled releases what the orders reserved.
func (h handler) OnOrderCancelled(ctx context.Context, events []orderv1.Cancelled) error {
	orders := make([]inventory.Order, len(events))
	for i, e := range events {
		orders[i] = orderOf(e.OrderID, e.Lines)
	}
	return h.inventory.Release(ctx, orders...)
}

// OnUserBanned takes the products of an account off sale.
func (h handler) OnUserBanned(ctx context.Context, e userv1.Banned) error {
	return h.catalog.ApplySeller(ctx, e.UserID)
}

// OnUserUnbanned puts the products of an account on sale again.
func (h handler) OnUserUnbanned(ctx context.Context, e userv1.Unbanned) error {
	return h.catalog.ApplySeller(ctx, e.UserID)
}

// OnUserRolesChanged takes the products of an account that sells no more off sale, or puts them on sale again.
func (h handler) OnUserRolesChanged(ctx context.Context, e userv1.RolesChanged) error {
	return h.catalog.ApplySeller(ctx, e.UserID)
}

// OnUserDeleted takes the products of an account off sale.
func (h handler) OnUserDeleted(ctx context.Context, e userv1.Deleted) error {
	return h.catalog.ApplySeller(ctx, e.UserID)
}

func orderOf(id string, lines []orderv1.EventLine) inventory.Order {
	o := inventory.Order{ID: id, Lines: make([]inventory.Line, len(lines))}
	for i, l := range lines {
		o.Lines[i] = inventory.Line{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	return o
}

// productsOf returns the products named in events of orders. All types have their lines in the same field.
func productsOf(events []outbox.CloudEvent) []string {
	var productIDs []string
	for _, e := range events {
		var order struct {
			Lines []orderv1.EventLine `json:"lines"`
		}
		if json.Unmarshal(e.Data, &order) != nil {
			continue // the event's handler returns the error
		}
		for _, l := range order.Lines {
			productIDs = append(productIDs, l.ProductID)
		}
	}
	return productIDs
}
