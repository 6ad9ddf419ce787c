package store

import (
	"context"
	"testing"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

// crowded is a cart that somebody else has always changed meanwhile.
type crowded struct{}

func (crowded) Load(context.Context, string, string) (sidecar.Document, error) {
	return sidecar.Document{}, nil
}

func (crowded) Save(context.Context, string, sidecar.Document) error { return sidecar.ErrStale }

// Who changes their own cart by many requests at once must not open the breaker of that route, for it is everybody's.
func TestACrowdedCartIsNoFailure(t *testing.T) {
	_, err := New(crowded{}).Change(t.Context(), "7", func(*cart.Cart) error { return nil })
	if problem.KindOf(err) != problem.Unavailable || problem.CodeOf(err) != sidecar.CodeOverloaded {
		t.Errorf("%v, want unavailable by %s", err, sidecar.CodeOverloaded)
	}
}
