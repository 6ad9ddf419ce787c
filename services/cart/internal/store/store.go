// Package store keeps carts as documents in the Dapr state store, guarded by their ETags.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/turns"
)

const (
	component = "carts"
	keepFor   = 180 * 24 * time.Hour // an abandoned cart expires half a year after its last change
	maxTries  = 20
	// waitAtMost is how long a change waits for others of the same cart. Gateway and checkout wait longer than this.
	waitAtMost = 3 * time.Second
)

// Documents is what the store needs of the sidecar.
type Documents interface {
	Load(ctx context.Context, store, key string) (sidecar.Document, error)
	Save(ctx context.Context, store string, d sidecar.Document) error
}

// Store implements cart.Store with Dapr state.
type Store struct {
	docs  Documents
	turns *turns.Turns // one change of a cart at a time: changes at the same time would repeat each other
}

// New makes a store.
func New(docs Documents) *Store { return &Store{docs, turns.New(1, math.MaxInt32)} }

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
	waiting, cancel := context.WithTimeout(ctx, waitAtMost)
	defer cancel()
	done, err := s.turns.Take(waiting, userID)
	if err != nil {
		return cart.Cart{}, busy(err)
	}
	defer done()
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
	return cart.Cart{}, busy(sidecar.ErrStale)
}

// busy refuses a change because of others of the same cart. Its own user caused them: counted as a failure they would
// open the breaker for everybody.
func busy(err error) error {
	return problem.Wrap(err, problem.Unavailable, sidecar.CodeOverloaded,
		"The cart is being changed by many requests at once.").After(time.Second)
}
