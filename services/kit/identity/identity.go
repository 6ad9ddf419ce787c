// Package identity says who makes a request: it verifies the mall's access tokens (EdDSA,
// signed only by auth) and carries the user through a context. Every service verifies for
// itself; nobody trusts a user id from a header, path or body.
package identity

import (
	"context"
	"slices"
)

// Issuer and Audience are what an access token of the mall says.
const (
	Issuer   = "mall"
	Audience = "mall"
)

// CallerKeyHeader carries the key by which a service proves to another that it is the app its sidecar says it is.
const CallerKeyHeader = "Mall-Caller-Key"

// Role names, as Casbin and the user service know them.
const (
	Customer = "customer"
	Seller   = "seller"
	Admin    = "admin"
)

// User is who a verified token speaks for.
type User struct {
	ID       string
	Roles    []string
	Session  string // the refresh family: one sign-in on one device
	Key      string // the id of the key that signed the token
	IssuedAt int64  // unix milliseconds; revocations name a time before which tokens are void
}

// Is says whether the user has a role.
func (u User) Is(role string) bool { return slices.Contains(u.Roles, role) }

type userKey struct{}
type tokenKey struct{}

// With puts a verified user and the token into ctx; the token is forwarded to peers.
func With(ctx context.Context, u User, token string) context.Context {
	return context.WithValue(context.WithValue(ctx, userKey{}, u), tokenKey{}, token)
}

// From gives the user of ctx; ok is false for a request nobody signed.
func From(ctx context.Context) (u User, ok bool) {
	u, ok = ctx.Value(userKey{}).(User)
	return u, ok
}

// Token gives the verified token of ctx, "" if there is none.
func Token(ctx context.Context) string {
	t, _ := ctx.Value(tokenKey{}).(string)
	return t
}
