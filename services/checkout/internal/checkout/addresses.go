package checkout

import (
	"context"

	"daprmall.dev/services/kit/idempotency/keyed"
)

// Addresses keeps shoppers' addresses; another user's address looks like a missing one.
type Addresses interface {
	// Add keeps an address; a repetition with the same id and user changes nothing.
	Add(ctx context.Context, a Address) (Address, error)
	Find(ctx context.Context, userID, id string) (Address, error)
	// List returns a user's addresses, newest first, those older than before ("" for all).
	List(ctx context.Context, userID, before string, limit int) ([]Address, error)
	Change(ctx context.Context, a Address) (Address, error)
	Remove(ctx context.Context, userID, id string) error
	// RemoveAll deletes the addresses of a deleted account, removed ones too.
	RemoveAll(ctx context.Context, userID string) error
}

// AddAddress keeps an address of the user of a key, once per key.
func (s *Service) AddAddress(ctx context.Context, key keyed.Request, p PostalAddress,
	encode func(Address) (keyed.Answer, error)) (keyed.Answer, error) {
	return s.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, run keyed.Run) (Address, error) {
		return s.addresses.Add(ctx, Address{ID: run.EffectID, UserID: run.User, PostalAddress: p})
	}, encode))
}
