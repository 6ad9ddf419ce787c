// Package identity verifies the mall's access tokens (EdDSA, signed only by auth) and carries the user in a context.
// Every service verifies for itself; a user id from a header, path or body is never trusted.
package identity

import (
	"context"
	"slices"
)

// Issuer and Audience are the iss and aud claims of the mall's access tokens.
const (
	Issuer   = "mall"
	Audience = "mall"
)

// CallerKeyHeader has the key by which a service proves its app id to another one.
const CallerKeyHeader = "Mall-Caller-Key"

// Role names, as Casbin and the user service know them.
const (
	Customer = "customer"
	Seller   = "seller"
	Admin    = "admin"
)

// User is the subject of a verified token.
type User struct {
	ID       string
	Roles    []string
	Session  string // the session's id: one sign-in on one device
	Key      string // the id of the key that signed the token
	IssuedAt int64  // Unix time in ms; a revocation voids the tokens that were issued before its time
}

// Is reports whether the user has a role.
func (u User) Is(role string) bool { return slices.Contains(u.Roles, role) }

type userKey struct{}
type tokenKey struct{}

// With puts a verified user and the token into ctx; the token is forwarded to peers.
func With(ctx context.Context, u User, token string) context.Context {
	return context.WithValue(context.WithValue(ctx, userKey{}, u), tokenKey{}, token)
}

// From returns the user of ctx; ok is false for an anonymous request.
func From(ctx context.Context) (u User, ok bool) {
	u, ok = ctx.Value(userKey{}).(User)
	return u, ok
}

// Token returns the verified token of ctx, "" if there is none.
func Token(ctx context.Context) string {
	t, _ := ctx.Value(tokenKey{}).(string)
	return t
}
