// Package store keeps carts as documents in the Dapr state store, guarded by their ETags.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

const (
	component = "carts"
	keepFor   = 180 * 24 * time.Hour // an abandoned cart expires half a year after its last change
	maxTries  = 20
)

// Documents is what the store needs of the sidecar.
type Documents interface {
	Load(ctx context.Context, store, key string) (sidecar.Document, error)
	Save(ctx context.Context, store string, d sidecar.Document) error
}

// Store implements cart.Store with Dapr state.
type Store struct{ docs Documents }

// New makes a store.
func New(docs Documents) *Store { return &Store{docs} }

// Load implements cart.Store.
func (s *Store) Load(ctx context.Context, userID string) (cart.Cart, error) {
	c, _, err := s.load(ctx, userID)
	return c, err
}

func (s *Store) load(ctx context.Context, userID string) (cart.Cart, sidecar.Document, error) {
	doc, err := s.docs.Load(ctx, component, userID)
	if err != nil || len(doc.Value) == 0 {
		return cart.Cart{}, doc, err
	}
	var c cart.Cart
	if err := json.Unmarshal(doc.Value, &c); err != nil { // not overwritten: a newer version may have written it
		return c, doc, fmt.Errorf("read cart of user %s: %w", userID, err)
	}
	return c, doc, nil
}

// Change implements cart.Store.
func (s *Store) Change(ctx context.Context, userID string, change func(c *cart.Cart) error) (cart.Cart, error) {
	for try := range maxTries {
		c, doc, err := s.load(ctx, userID)
		if err != nil {
			return c, err
		}
		if err := change(&c); err != nil {
			return c, err
		}
		if doc.Value, err = json.Marshal(c); err != nil {
			return c, err
		}
		doc.TTL = keepFor
		err = s.docs.Save(ctx, component, doc)
		if !errors.Is(err, sidecar.ErrStale) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return c, ctx.Err()
		case <-time.After(rand.N(time.Duration(try+1) * 3 * time.Millisecond)):
		}
	}
	// The cart's own user caused this; as a failure it would open the breaker for everybody.
	return cart.Cart{}, problem.Wrap(sidecar.ErrStale, problem.Unavailable, sidecar.CodeOverloaded,
		"The cart is being changed by many requests at once.").
		After(time.Second)
}
