package api_test

import (
	"context"
	"log/slog"
	"testing"

	"daprmall.dev/services/cart/internal/api"
	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
)

// fakeCart is a cart that holds two of one product.
type fakeCart struct{}

func (fakeCart) Load(context.Context, string) (cart.Cart, error) {
	return cart.Cart{Lines: []cart.Line{{ProductID: "501", Quantity: 2}}}, nil
}

func (s fakeCart) Change(ctx context.Context, userID string, change func(*cart.Cart) error) (cart.Cart, error) {
	c, err := s.Load(ctx, userID)
	if err != nil {
		return c, err
	}
	return c, change(&c)
}

func TestCartKeepsItsContract(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	in := inbox.New(nil, nil, log)
	s := contractstest.NewServer("cart")
	api.Routes(s, in, idempotency.New(nil, nil, nil, log),
		cart.NewService(fakeCart{}, nil, nil, func() string { return "CNY" }))
	contractstest.CheckService(t, "cart", s, in)
}
