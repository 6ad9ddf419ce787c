package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Account is what a session needs to know of an account. An account that the user service does not have counts as
// banned.
type Account struct {
	ID      string
	Roles   []string
	Banned  bool
	Version int64 // user's number of this state; not used to order states, see Accounts
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

// Accounts keeps the last known state of accounts. States are ordered by the time at which the user service was asked,
// and not by version numbers: a restored user database counts from an earlier number again, and an attacker on the
// network might send a huge one.
type Accounts interface {
	// Revision counts how often a state of the account was stored; 0 for never.
	Revision(ctx context.Context, userID string) (int64, error)
	// Learn stores a state that user returned after revision was read, unless another one was stored since (false). It
	// revokes what the new state does not allow: access tokens with other roles, sessions of another password, and of a
	// banned account all sessions.
	Learn(ctx context.Context, a Account, revision int64, revocationTTL time.Duration) (bool, error)
	// MarkDoubtful revokes the access tokens of an account. They are not refreshed until Learn has stored its state.
	MarkDoubtful(ctx context.Context, userID string, revocationTTL time.Duration) error
}

// ApplyAccountState is called when an account has changed; it asks user for the present state. If that fails it marks
// the account doubtful, and the caller must call again.
func (s *Service) ApplyAccountState(ctx context.Context, userID string) error {
	_, err := s.syncAccount(ctx, userID)
	if err == nil {
		return nil
	}
	if doubt := s.store.MarkDoubtful(ctx, userID, RevocationTTL); doubt != nil {
		return doubt
	}
	return err
}

// syncAccount asks user for an account and stores the answer. It asks again if another state was stored meanwhile.
func (s *Service) syncAccount(ctx context.Context, userID string) (Account, error) {
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
