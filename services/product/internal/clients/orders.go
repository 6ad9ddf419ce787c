package clients

import (
	"context"
	"net/http"
	"time"

	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/product/internal/inventory"
)

// Invoker calls a peer: sidecar.Client.
type Invoker interface {
	Invoke(ctx context.Context, r sidecar.Request) error
}

// Orders is inventory.Orders through the sidecar.
type Orders struct{ sidecar Invoker }

// FeedReader returns when a producer's feed was last read to its end; inbox.Inbox implements it.
type FeedReader interface {
	ReadAt(ctx context.Context, source string) (time.Time, error)
}

// Feed implements inventory.Feed by the inbox.
type Feed struct{ in FeedReader }

// NewFeed makes a feed.
func NewFeed(in FeedReader) Feed { return Feed{in} }

// ReadAt implements inventory.Feed.
func (f Feed) ReadAt(ctx context.Context) (time.Time, error) { return f.in.ReadAt(ctx, "order") }

// NewOrders makes a client of order's fence.
func NewOrders(side Invoker) *Orders { return &Orders{sidecar: side} }

var _ inventory.Orders = (*Orders)(nil)

// Fence asks whether an order exists. After a "no" it can never be created.
func (o *Orders) Fence(ctx context.Context, orderID string) (bool, error) {
	var out orderv1.FenceAnswer
	err := o.sidecar.Invoke(ctx, sidecar.Request{App: "order", Method: http.MethodPost, Path: orderv1.PathFence,
		In: orderv1.FenceRequest{OrderID: orderID}, Out: &out, System: true})
	return out.Exists, err
}
