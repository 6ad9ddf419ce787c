package api

import (
	"context"

	"daprmall.dev/services/contracts/userv1"
)

// An event says how an account was when it changed. Each handler asks user what the account is now and applies that, so
// events may be repeated and come in any order.

// OnUserBanned ends the sessions of an account.
func (h handler) OnUserBanned(ctx context.Context, e userv1.Banned) error {
	return h.sessions.ApplyAccountState(ctx, e.UserID)
}

// OnUserUnbanned makes a ban that was lifted known to auth.
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
