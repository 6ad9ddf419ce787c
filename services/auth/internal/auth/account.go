package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Account is what a session needs to know of an account. An account that user does not know counts as banned.
type Account struct {
	ID      string
	Roles   []string
	Banned  bool
	Version int64 // user's number of this state; never compared here
	// PasswordID identifies the password. Sessions opened with another one have ended, except KeptSession.
	PasswordID  string
	KeptSession string
}

// SameRights reports whether both have the same roles and ban.
func (a Account) SameRights(b Account) bool {
	return a.Banned == b.Banned && slices.Equal(a.Roles, b.Roles)
}

// Same reports whether nothing that matters here has changed.
func (a Account) Same(b Account) bool { return a.SameRights(b) && a.PasswordID == b.PasswordID }

// Users checks credentials and returns the present state of accounts.
type Users interface {
	// Verify refuses with invalid_credentials or banned.
	Verify(ctx context.Context, email, password string) (Account, error)
	Find(ctx context.Context, userID string) (Account, error)
}

// Accounts keeps the last known state of accounts. Version numbers do not order states: a restored user database counts
// from an earlier number again, and an attacker on the network might send a huge one. States are ordered by when user
// was asked.
type Accounts interface {
	// Revision counts how often a state of the account was stored; 0 for never.
	Revision(ctx context.Context, userID string) (int64, error)
	// Learn stores a state that user returned after revision was read, unless another was stored since (false). What the
	// new state takes away is void at once: access tokens with other roles, sessions of another password, and with a ban
	// all sessions.
	Learn(ctx context.Context, a Account, revision int64, revocationTTL time.Duration) (bool, error)
	// Doubt voids the access tokens of an account and refuses to refresh them until its state is known.
	Doubt(ctx context.Context, userID string, revocationTTL time.Duration) error
}

// ApplyAccountState is called when an account has changed; it asks user for the present state. If user cannot be asked,
// the account's access tokens are void and the caller must call again.
func (s *Service) ApplyAccountState(ctx context.Context, userID string) error {
	_, err := s.learn(ctx, userID)
	if err == nil {
		return nil
	}
	if doubt := s.store.Doubt(ctx, userID, RevocationTTL); doubt != nil {
		return doubt
	}
	return err
}

// learn asks user for an account and stores the answer.
func (s *Service) learn(ctx context.Context, userID string) (Account, error) {
	for range 10 {
		revision, err := s.store.Revision(ctx, userID)
		if err != nil {
			return Account{}, err
		}
		a, err := s.users.Find(ctx, userID)
		if err != nil {
			return Account{}, fmt.Errorf("ask for account %s: %w", userID, err)
		}
		if ok, err := s.store.Learn(ctx, a, revision, RevocationTTL); err != nil || ok {
			return a, err
		}
	}
	return Account{}, problem.NewUnavailable(nil, time.Second, "This account changes too fast.")
}
