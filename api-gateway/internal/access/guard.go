// Package access decides who may call a route: it verifies tokens, checks them against the list of revocations, and
// asks the policy.
package access

import (
	"context"

	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
)

// Guard authenticates a caller and decides what they may call.
type Guard struct {
	Verify  func(ctx context.Context, token string) (identity.User, error)
	Revoked *Revocations
	Policy  func() *Policy
}

// Authenticate returns the user of a token. It rejects every token while there is no current list of revocations:
// otherwise a ban would not hold while auth is down.
func (g *Guard) Authenticate(ctx context.Context, token string) (identity.User, error) {
	if token == "" {
		return identity.User{}, unauthenticated()
	}
	user, err := g.Verify(ctx, token)
	if err != nil {
		return identity.User{}, err
	}
	revoked, err := g.Revoked.IsRevoked(ctx, user)
	if err != nil {
		return identity.User{}, err
	}
	if revoked {
		return identity.User{}, unauthenticated()
	}
	return user, nil
}

// Allows reports whether a caller with these roles (none: anonymous) may call the route.
func (g *Guard) Allows(method, path string, roles []string) bool {
	return g.Policy().Allows(RouteKey{Method: method, Path: path}, roles)
}

func unauthenticated() error {
	return problem.New(problem.Unauthenticated, "unauthenticated",
		"Sign in: the access token is missing, expired or not valid.")
}
