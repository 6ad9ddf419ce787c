package api

import (
	"context"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/userv1"
)

// OnOrderPlaced removes the ordered quantities from the cart, if the order was made from the cart.
func (h handler) OnOrderPlaced(ctx context.Context, e orderv1.Placed) error {
	if !e.FromCart {
		return nil
	}
	lines := make([]cart.Line, len(e.Lines))
	for i, l := range e.Lines {
		lines[i] = cart.Line{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	return h.carts.Take(ctx, e.UserID, e.OrderID, lines)
}

// OnUserDeleted deletes the cart of an account.
func (h handler) OnUserDeleted(ctx context.Context, e userv1.Deleted) error {
	return h.carts.Delete(ctx, e.UserID)
}
