package api

import (
	"context"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/payment/internal/payment"
)

// OnOrderPlaced opens the bills of orders.
func (h handler) OnOrderPlaced(ctx context.Context, events []orderv1.Placed) error {
	bills := make([]payment.Bill, len(events))
	for i, e := range events {
		bills[i] = payment.Bill{
			OrderID: e.OrderID, UserID: e.UserID, Amount: e.Total, Currency: e.Currency, DueAt: e.PaymentDueAt,
		}
	}
	return h.payments.OpenBills(ctx, bills...)
}

// OnOrderCancelled closes the bill of an order. If it comes before order.placed, it writes a closed bill.
func (h handler) OnOrderCancelled(ctx context.Context, e orderv1.Cancelled) error {
	return h.payments.CloseBill(ctx, payment.Bill{
		OrderID: e.OrderID, UserID: e.UserID, Amount: e.Total, Currency: e.Currency, DueAt: e.At,
	})
}

// OnOrderRefundRequested requests the refund of a payment.
func (h handler) OnOrderRefundRequested(ctx context.Context, e orderv1.RefundRequested) error {
	return h.payments.RequestRefund(ctx, e.PaymentID, e.Amount)
}
