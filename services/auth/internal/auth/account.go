package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Account is what a session needs to know of an account. One that user does not have counts as banned.
type Account struct {
	ID      string
	Roles   []string
	Banned  bool
	Version int64 // what user calls this state; nothing here compares it
	// PasswordID names the password. Sessions of another one have ended, except KeptSession.
	PasswordID  string
	KeptSession string
}

// SameRights says whether both may do the same.
func (a Account) SameRights(b Account) bool {
	return a.Banned == b.Banned && slices.Equal(a.Roles, b.Roles)
}

// Same says whether nothing that matters here has changed.
func (a Account) Same(b Account) bool { return a.SameRights(b) && a.PasswordID == b.PasswordID }

// Users answers whose credentials these are, and what an account is now.
type Users interface {
	// Verify refuses with invalid_credentials or banned.
	Verify(ctx context.Context, email, password string) (Account, error)
	Find(ctx context.Context, userID string) (Account, error)
}

// Accounts keeps what is known of accounts. Versions do not order states: a restored database of user counts from an
// earlier one again, and whoever got in between might send a huge one. The order is that of asking user.
type Accounts interface {
	// Revision says how often the state of an account was taken, 0 for never.
	Revision(ctx context.Context, userID string) (int64, error)
	// Learn takes a state that user was asked for after revision was read, unless another was taken since (false). What
	// the new state takes away is void at once: access tokens with other roles, sessions of another password, and with a
	// ban all sessions.
	Learn(ctx context.Context, a Account, revision int64, revocationTTL time.Duration) (bool, error)
	// Doubt voids the access tokens of an account and lets nobody refresh until its state was learnt.
	Doubt(ctx context.Context, userID string, revocationTTL time.Duration) error
}

// ApplyAccountState is told that an account has changed, by whomever: what it is now only user says. If user cannot be
// asked its access tokens are void, and whoever told must tell again.
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

// learn asks user for an account and takes the answer.
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
