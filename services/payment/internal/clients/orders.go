// Package clients calls other services through the sidecar.
package clients

import (
	"context"
	"net/http"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/payment/internal/payment"
)

// Orders implements payment.Orders by calling the order service.
type Orders struct{ dapr *sidecar.Client }

// NewOrders makes the client.
func NewOrders(dapr *sidecar.Client) Orders { return Orders{dapr} }

// Payable implements payment.Orders.
func (o Orders) Payable(ctx context.Context, orderID string) (*payment.Bill, error) {
	var p orderv1.Payable
	err := o.dapr.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodPost, Path: orderv1.PathGet,
		In: orderv1.GetRequest{OrderID: orderID}, Out: &p, System: true})
	if err != nil || !p.Found {
		return nil, err
	}
	return &payment.Bill{OrderID: p.OrderID, UserID: p.UserID, Amount: p.Total, Currency: p.Currency,
		DueAt: p.PaymentDueAt, Status: billStatus(p.Status)}, nil
}

// billStatus returns the state that the bill of an order with this status has.
func billStatus(orderStatus string) payment.BillStatus {
	switch orderStatus {
	case "awaiting_payment":
		return payment.Open
	case "paid":
		return payment.Paid
	}
	return payment.Closed
}
