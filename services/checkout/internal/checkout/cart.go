package checkout

import (
	"context"
	"fmt"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
)

const (
	// awaitCartFor is how long a checkout waits for another one of the same cart: two tabs, a double click.
	awaitCartFor = 3 * time.Second
	// deadAfter is the age at which nobody runs a checkout that has not ended: longer than the lease of its key.
	deadAfter = 25 * time.Second
)

// awaitCart waits until the checkout that has taken the cart has ended and what it has bought has left the cart.
func (s *Service) awaitCart(ctx context.Context, run keyed.Run, applied []string, deadline time.Time) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		other, err := s.records.CartTaker(ctx, run.User, applied)
		switch {
		case err != nil:
			return err
		case time.Now().After(deadline):
			return problem.New(problem.Conflict, keyed.InProgress, "Another checkout of this cart is still running.").
				After(time.Second)
		case other == nil || other.Key == run.Key && other.Age <= deadAfter:
			return nil // it has ended without an order, or is a run of this very request
		case other.Placed || other.Age > deadAfter:
			return s.endTaker(ctx, other)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// endTaker takes what a checkout has bought out of the cart, as the order's event does. A checkout whose process died
// is ended before: the order service says whether it has an order, and if not, it never will.
func (s *Service) endTaker(ctx context.Context, other *CartTaker) (err error) {
	placed := other.Placed
	if !placed {
		if placed, err = s.orders.Fence(ctx, other.OrderID); err != nil {
			return fmt.Errorf("fence order %s: %w", other.OrderID, err)
		}
	}
	if placed {
		if err := s.cart.Take(ctx, other.OrderID, other.Items); err != nil {
			return fmt.Errorf("take order %s out of the cart: %w", other.OrderID, err)
		}
	}
	return s.records.EndTaker(ctx, other.OrderID, placed)
}
