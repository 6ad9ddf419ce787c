package api

import (
	"context"
	"errors"

	"daprmall.dev/services/contracts/userv1"
)

// OnUserDeleted deletes the personal data of an account: its addresses, also those of checkouts and of stored answers.
func (h handler) OnUserDeleted(ctx context.Context, e userv1.Deleted) error {
	return errors.Join(h.checkout.ForgetUser(ctx, e.UserID), h.keys.PurgeUser(ctx, e.UserID))
}
