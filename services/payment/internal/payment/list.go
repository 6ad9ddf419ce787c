package payment

import (
	"context"
	"errors"
	"fmt"

	"daprmall.dev/services/kit/problem"
)

// Viewer is the user who reads the payments of an order.
type Viewer struct {
	UserID string
	Admin  bool
}

// ListOfOrder returns the attempts to pay an order, newest first, those older than before ("" for all). Its owner and
// admins may read them; for others the order does not exist. Only the owner is shown what is to be done next, because
// that includes a secret of the provider.
func (s *Service) ListOfOrder(ctx context.Context, orderID string, v Viewer, before string, limit int) ([]*Payment,
	error) {
	owner, err := s.ownerOf(ctx, orderID)
	if err != nil {
		return nil, err
	}
	if owner != v.UserID && !v.Admin {
		return nil, problem.NewNotFound("order")
	}
	found, err := s.store.ListOfOrder(ctx, orderID, before, limit)
	if err != nil || owner == v.UserID {
		return found, err
	}
	for _, p := range found {
		p.NextAction = nil
	}
	return found, nil
}

// ownerOf returns the user whose order it is, also if the event that opens its bill has not arrived yet.
func (s *Service) ownerOf(ctx context.Context, orderID string) (string, error) {
	b, err := s.store.FindBill(ctx, orderID)
	if !errors.Is(err, ErrNoBill) {
		return b.UserID, err
	}
	early, err := s.orders.Payable(ctx, orderID)
	if err != nil {
		return "", fmt.Errorf("ask for order %s: %w", orderID, err)
	}
	if early == nil {
		return "", problem.NewNotFound("order")
	}
	return early.UserID, nil
}
