package store

import (
	"context"
	"testing"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

// crowded is a cart that always has been changed meanwhile.
type crowded struct{}

func (crowded) Load(context.Context, string, string) (sidecar.Document, error) {
	return sidecar.Document{}, nil
}

func (crowded) Save(context.Context, string, sidecar.Document) error { return sidecar.ErrStale }

// A user who changes the own cart by many concurrent requests must not open the route's breaker for everybody.
func TestACrowdedCartIsNoFailure(t *testing.T) {
	_, err := New(crowded{}).Change(t.Context(), "7", func(*cart.Cart) error { return nil })
	if problem.KindOf(err) != problem.Unavailable || problem.CodeOf(err) != sidecar.CodeOverloaded {
		t.Errorf("%v, want unavailable by %s", err, sidecar.CodeOverloaded)
	}
}
