package api

import (
	"context"
	"errors"

	"daprmall.dev/services/contracts/userv1"
)

// OnUserDeleted deletes the addresses of an account, and the personal data in its checkouts' records.
func (h addressHandler) OnUserDeleted(ctx context.Context, e userv1.Deleted) error {
	return errors.Join(h.addresses.RemoveAll(ctx, e.UserID), h.keys.PurgeUser(ctx, e.UserID))
}
