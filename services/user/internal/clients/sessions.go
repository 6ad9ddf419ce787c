// Package clients calls other services and bindings through the sidecar.
package clients

import (
	"context"
	"net/http"

	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/user/internal/user"
)

// Sessions implements user.Sessions by calling the auth service.
type Sessions struct{ dapr *sidecar.Client }

// NewSessions makes the client.
func NewSessions(dapr *sidecar.Client) Sessions { return Sessions{dapr} }

// Revoke informs auth that an account has changed.
func (s Sessions) Revoke(ctx context.Context, u user.Snapshot) error {
	return s.dapr.Invoke(ctx, sidecar.Request{App: "auth", Method: http.MethodPost, Path: authv1.PathRevoke, System: true,
		In: authv1.RevokeRequest{UserID: u.ID, Version: u.Version, Roles: u.Roles, Banned: u.Banned}})
}
