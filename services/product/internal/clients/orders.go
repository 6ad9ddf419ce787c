package clients

import (
	"context"
	"net/http"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/product/internal/inventory"
)

// Invoker calls a peer: sidecar.Client.
type Invoker interface {
	Invoke(ctx context.Context, r sidecar.Request) error
}

// Orders is inventory.Orders through the sidecar.
type Orders struct{ dapr Invoker }

// NewOrders makes a client of order's fence.
func NewOrders(dapr Invoker) *Orders { return &Orders{dapr: dapr} }

var _ inventory.Orders = (*Orders)(nil)

// Cancel cancels an unpaid order for the admin whose token is forwarded.
func (o *Orders) Cancel(ctx context.Context, orderID, effectID string) error {
	return o.dapr.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodPost, Path: orderv1.PathCancel,
		In: orderv1.CancelRequest{OrderID: orderID, EffectID: effectID}})
}

// Fence asks whether an order exists. After a "no" it can never be created.
func (o *Orders) Fence(ctx context.Context, orderID string) (bool, error) {
	var out orderv1.FenceAnswer
	err := o.dapr.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodPost, Path: orderv1.PathFence,
		In: orderv1.FenceRequest{OrderID: orderID}, Out: &out, System: true})
	return out.Exists, err
}
