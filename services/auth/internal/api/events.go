package api

import (
	"context"

	"daprmall.dev/services/contracts/userv1"
)

// Handlers do not apply what the event says: each asks user for the account's present state and applies that, so events
// may be repeated and come in any order.

// OnUserBanned ends the sessions of an account.
func (h handler) OnUserBanned(ctx context.Context, e userv1.Banned) error {
	return h.sessions.ApplyAccountState(ctx, e.UserID)
}

// OnUserUnbanned applies that a ban was lifted.
func (h handler) OnUserUnbanned(ctx context.Context, e userv1.Unbanned) error {
	return h.sessions.ApplyAccountState(ctx, e.UserID)
}

// OnUserPasswordChanged ends the sessions of an account, except the one in which its password was changed.
func (h handler) OnUserPasswordChanged(ctx context.Context, e userv1.PasswordChanged) error {
	return h.sessions.ApplyAccountState(ctx, e.UserID)
}

// OnUserDeleted ends the sessions of an account.
func (h handler) OnUserDeleted(ctx context.Context, e userv1.Deleted) error {
	return h.sessions.ApplyAccountState(ctx, e.UserID)
}

// OnUserRolesChanged revokes the access tokens that name the old roles.
func (h handler) OnUserRolesChanged(ctx context.Context, e userv1.RolesChanged) error {
	return h.sessions.ApplyAccountState(ctx, e.UserID)
}
