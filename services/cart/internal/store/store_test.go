package store

import (
	"context"
	"testing"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

// contendedStore is a state store in which every save meets a concurrent change.
type contendedStore struct{}

func (contendedStore) Load(context.Context, string, string) (sidecar.Document, error) {
	return sidecar.Document{}, nil
}

func (contendedStore) Save(context.Context, string, sidecar.Document) error { return sidecar.ErrStale }

// A user who changes a cart by many concurrent requests must not open the route's breaker for all users.
func TestConcurrentChangesOfACartDoNotCountAsFailures(t *testing.T) {
	_, err := New(contendedStore{}).Change(t.Context(), "7", func(*cart.Cart) error { return nil })
	if problem.KindOf(err) != problem.Unavailable || problem.CodeOf(err) != sidecar.CodeOverloaded {
		t.Errorf("%v, want unavailable by %s", err, sidecar.CodeOverloaded)
	}
}
