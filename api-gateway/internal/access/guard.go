// Package access decides who may take a route: it verifies tokens, knows which of them are
// void, and asks the policy.
package access

import (
	"context"

	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
)

// Guard is the judgement on one caller.
type Guard struct {
	Verify  func(ctx context.Context, token string) (identity.User, error)
	Revoked *Revocations
	Policy  func() *Policy
}

// Authenticate gives the user of a token. Without a current list of revocations nobody is let in: a
// ban must not be lost because auth is.
func (g *Guard) Authenticate(ctx context.Context, token string) (identity.User, error) {
	if token == "" {
		return identity.User{}, unauthenticated()
	}
	user, err := g.Verify(ctx, token)
	if err != nil {
		return identity.User{}, err
	}
	void, err := g.Revoked.IsRevoked(user)
	if err != nil {
		return identity.User{}, err
	}
	if void {
		return identity.User{}, unauthenticated()
	}
	return user, nil
}

// Allows says whether somebody with these roles (none: anonymous) may take the route.
func (g *Guard) Allows(method, path string, roles []string) bool {
	return g.Policy().Allows(RouteKey{Method: method, Path: path}, roles)
}

func unauthenticated() error {
	return problem.New(problem.Unauthenticated, "unauthenticated",
		"Sign in: the access token is missing, expired or not valid.")
}
