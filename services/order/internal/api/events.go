package api

import (
	"context"
	"errors"

	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/order/internal/order"
)

// OnPaymentSucceeded marks orders paid, or requests refunds of payments that came too late.
func (h handler) OnPaymentSucceeded(ctx context.Context, events []paymentv1.Succeeded) error {
	received := make([]order.PaymentReceived, len(events))
	for i, e := range events {
		received[i] = order.PaymentReceived{
			OrderID: order.ID(e.OrderID),
			Payment: order.Payment{ID: e.PaymentID, Amount: e.Amount, Currency: e.Currency},
		}
	}
	return h.orders.ApplyPayments(ctx, received...)
}

// OnPaymentRefunded marks an order refunded.
func (h handler) OnPaymentRefunded(ctx context.Context, e paymentv1.Refunded) error {
	return h.orders.MarkRefunded(ctx, order.ID(e.OrderID), e.PaymentID)
}

// OnStockRejected cancels an order whose products are out of stock.
func (h handler) OnStockRejected(ctx context.Context, e stockv1.Rejected) error {
	return h.orders.CancelOutOfStock(ctx, order.ID(e.OrderID))
}

// OnUserDeleted removes the buyer's name, phone and street from the orders of an account. The orders stay.
func (h handler) OnUserDeleted(ctx context.Context, e userv1.Deleted) error {
	return errors.Join(h.orders.AnonymizeBuyer(ctx, e.UserID), h.keys.PurgeUser(ctx, e.UserID))
}
