// Package auth is the domain of sessions: signing in, refreshing, signing out, and revoking tokens.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync/atomic"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Session is one sign-in on one device. Each of its refresh tokens replaces the one before. None of its tokens is valid
// after Ends.
type Session struct {
	ID     string
	UserID string
	Roles  []string
	Ends   time.Time
}

// Tokens are what a client receives.
type Tokens struct {
	Access         string
	AccessExpires  time.Duration
	Refresh        string
	RefreshExpires time.Duration
}

// Signer signs access tokens.
type Signer interface {
	Sign(s Session, issued time.Time, lifetime time.Duration) (string, error)
}

// Lifetimes apply to what is issued from now on.
type Lifetimes struct {
	Refresh time.Duration // of an unused refresh token
	Session time.Duration // of a session, however often it is refreshed
}

// Store keeps sessions, refresh tokens (hashed) and revocations. It uses the database's clock.
type Store interface {
	Accounts
	// Open starts a session with its first refresh token (hashed). ErrOutdated: the stored state of the account differs
	// from a. now is when the session's tokens are issued.
	Open(ctx context.Context, sessionID string, a Account, token []byte, l Lifetimes) (s Session, now time.Time, err error)
	// Rotate consumes a refresh token and returns what happened. The first of the given successors replaces it, unless
	// another one already has.
	Rotate(ctx context.Context, token []byte, successors [][]byte, l Lifetimes, revocationTTL time.Duration) (Rotation,
		error)
	// End ends a session of a user and voids its access tokens; false if the user has no such open session.
	End(ctx context.Context, userID, sessionID string, revocationTTL time.Duration) (bool, error)
	// List returns a user's open sessions, newest first, those older than the id before ("" for the first page).
	List(ctx context.Context, userID, before string, limit int, sessionTTL time.Duration) ([]OpenSession, error)
}

// ErrOutdated means that the account's state has changed since it was read.
var ErrOutdated = errors.New("the account is not as it was")

// Rotation is the outcome of using a refresh token.
type Rotation struct {
	OK              bool   // false: unknown, expired, of an ended session, or used again (which ends the session)
	DoubtfulAccount string // not empty: nothing happened, the state of the account with this id must be learnt first
	Session         Session
	Now             time.Time
	// Successor is the index of the successor that replaces the token.
	Successor int
}

// OpenSession is a session as its owner sees it.
type OpenSession struct {
	ID       string
	Created  time.Time
	LastUsed time.Time // last sign-in or refresh
	Ends     time.Time // without a further refresh
}

// IDs makes session ids.
type IDs interface{ Next() (string, error) }

// Service has the use cases of sessions.
type Service struct {
	users     Users
	signer    Signer
	store     Store
	ids       IDs
	secrets   atomic.Pointer[[][]byte] // derive successors of refresh tokens; new ones from the first
	accessTTL func() time.Duration
	lifetimes func() Lifetimes
}

// NewService connects the use cases with what they need.
func NewService(
	users Users, signer Signer, store Store, ids IDs, secret []byte, accessTTL func() time.Duration,
	lifetimes func() Lifetimes,
) *Service {
	s := &Service{users: users, signer: signer, store: store, ids: ids, accessTTL: accessTTL, lifetimes: lifetimes}
	s.SetSecrets(secret)
	return s
}

// SetSecrets replaces the secrets that derive successors: new ones are derived from current. While the secret is being
// changed, successors that were derived from the others are recognised too.
func (s *Service) SetSecrets(current []byte, others ...[]byte) {
	all := append([][]byte{current}, others...)
	s.secrets.Store(&all)
}

// RevocationTTL is how long a revocation is listed: until every token issued before it has expired, whatever the
// lifetime was then.
const RevocationTTL = 25 * time.Hour

// SignIn opens a session. If the account in user's answer differs from the stored one, one of the two is outdated: auth
// asks user for the present state, applies it to all sessions of the account, and checks the password again.
func (s *Service) SignIn(ctx context.Context, email, password string) (Tokens, error) {
	id, err := s.ids.Next()
	if err != nil {
		return Tokens{}, err
	}
	token := make([]byte, 32)
	_, _ = rand.Read(token) // never fails
	for try := 1; ; try++ {
		account, err := s.users.Verify(ctx, email, password)
		if err != nil {
			return Tokens{}, err
		}
		session, at, err := s.store.Open(ctx, id, account, HashToken(token), s.lifetimes())
		switch {
		case err == nil:
			return s.tokens(session, token, at)
		case !errors.Is(err, ErrOutdated):
			return Tokens{}, err
		case try == 4:
			return Tokens{}, problem.NewUnavailable(err, time.Second, "This account changes too fast.")
		}
		current, err := s.syncAccount(ctx, account.ID)
		if err != nil {
			return Tokens{}, err
		}
		if current.Banned {
			return Tokens{}, problem.New(problem.Forbidden, "banned", "This account is banned.")
		}
	}
}

// Refresh exchanges a refresh token. The successor is derived from it, so that a client whose answer was lost gets the
// same one when it asks again within a minute. Any other reuse means that the token was stolen, and ends the session.
func (s *Service) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	invalid := problem.New(problem.Unauthenticated, "invalid_refresh_token",
		"Sign in again: this refresh token cannot be used.")
	token, err := base64.RawURLEncoding.DecodeString(refresh)
	if err != nil || len(token) != 32 {
		return Tokens{}, invalid
	}
	var successors, hashes [][]byte
	for _, secret := range *s.secrets.Load() {
		mac := hmac.New(sha256.New, secret)
		mac.Write(token)
		successors = append(successors, mac.Sum(nil))
		hashes = append(hashes, HashToken(successors[len(successors)-1]))
	}
	rotate := func() (Rotation, error) {
		return s.store.Rotate(ctx, HashToken(token), hashes, s.lifetimes(), RevocationTTL)
	}
	r, err := rotate()
	if err == nil && r.DoubtfulAccount != "" {
		if _, err = s.syncAccount(ctx, r.DoubtfulAccount); err == nil {
			r, err = rotate()
		}
	}
	if err != nil {
		return Tokens{}, err
	}
	if !r.OK {
		return Tokens{}, invalid
	}
	return s.tokens(r.Session, successors[r.Successor], r.Now)
}

// SignOut ends a session. Ending an ended session is not an error.
func (s *Service) SignOut(ctx context.Context, userID, sessionID string) error {
	_, err := s.store.End(ctx, userID, sessionID, RevocationTTL)
	return err
}

// EndSession ends one of the user's sessions.
func (s *Service) EndSession(ctx context.Context, userID, sessionID string) error {
	ok, err := s.store.End(ctx, userID, sessionID, RevocationTTL)
	if err == nil && !ok {
		err = problem.NewNotFound("session")
	}
	return err
}

// Sessions returns a page of a user's open sessions.
func (s *Service) Sessions(ctx context.Context, userID, before string, limit int) ([]OpenSession, error) {
	return s.store.List(ctx, userID, before, limit, s.lifetimes().Session)
}

func (s *Service) tokens(session Session, refresh []byte, now time.Time) (Tokens, error) {
	left := session.Ends.Sub(now)
	ttl := min(s.accessTTL(), left)
	access, err := s.signer.Sign(session, now, ttl)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, AccessExpires: ttl, Refresh: base64.RawURLEncoding.EncodeToString(refresh),
		RefreshExpires: min(s.lifetimes().Refresh, left)}, nil
}

// HashToken returns what the database keeps of a refresh token, so that a reader of the database cannot use it. Tokens
// are random, so no salt is needed.
func HashToken(token []byte) []byte {
	sum := sha256.Sum256(token)
	return sum[:]
}
