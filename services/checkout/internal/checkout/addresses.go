package checkout

import "context"

// Addresses keeps shoppers' addresses; somebody else's is a missing one.
type Addresses interface {
	// Add keeps an address; one with its id that is the same user's is the same request again.
	Add(ctx context.Context, a Address) (Address, error)
	Find(ctx context.Context, userID, id string) (Address, error)
	// List gives a user's addresses, newest first, those older than before ("" for all).
	List(ctx context.Context, userID, before string, limit int) ([]Address, error)
	Change(ctx context.Context, a Address) (Address, error)
	Remove(ctx context.Context, userID, id string) error
	// RemoveAll forgets the addresses of an account that is gone, removed ones too.
	RemoveAll(ctx context.Context, userID string) error
}
