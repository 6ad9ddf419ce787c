// Package auth is the domain of sessions: signing in, refreshing, signing out, and voiding tokens.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Session is one sign-in on one device: a family of refresh tokens. No token of it lives beyond Ends.
type Session struct {
	ID     string
	UserID string
	Roles  []string
	Ends   time.Time
}

// Tokens is what a client gets.
type Tokens struct {
	Access         string
	AccessExpires  time.Duration
	Refresh        string
	RefreshExpires time.Duration
}

// Signer signs access tokens; nobody else can.
type Signer interface {
	Sign(s Session, issued time.Time, lifetime time.Duration) (string, error)
}

// Lifetimes are how long what is issued now may live.
type Lifetimes struct {
	Refresh time.Duration // a refresh token that nobody uses
	Session time.Duration // a session, however often it is refreshed
}

// Store keeps sessions, refresh tokens (hashed) and revocations. Now is the database's clock.
type Store interface {
	Accounts
	// Open starts a session with its first refresh token. ErrOutdated: another state of the account is known than this one.
	Open(ctx context.Context, sessionID string, a Account, token []byte, l Lifetimes) (s Session, now time.Time, err error)
	// Rotate uses a refresh token up: rotation describes what happened.
	Rotate(ctx context.Context, token, successor []byte, l Lifetimes, revocationTTL time.Duration) (Rotation, error)
	// End ends a session and voids its access tokens.
	End(ctx context.Context, sessionID string, revocationTTL time.Duration) error
}

// ErrOutdated says that an account is known to be, or doubted to be, other than it was said to be.
var ErrOutdated = errors.New("the account is not as it was")

// Rotation is the outcome of using a refresh token.
type Rotation struct {
	OK      bool   // false: unknown, expired, of an ended session, or stolen (then the family has ended)
	Ask     string // nothing happened: ask user for this account first
	Session Session
	Now     time.Time
}

// IDs makes session ids.
type IDs interface{ Next() (string, error) }

// Service is what can be done with sessions.
type Service struct {
	users     Users
	signer    Signer
	store     Store
	ids       IDs
	secret    []byte // derives successors of refresh tokens
	accessTTL func() time.Duration
	lifetimes func() Lifetimes
}

// NewService wires the sessions.
func NewService(
	users Users, signer Signer, store Store, ids IDs, secret []byte, accessTTL func() time.Duration, lifetimes func() Lifetimes,
) *Service {
	return &Service{users: users, signer: signer, store: store, ids: ids, secret: secret, accessTTL: accessTTL, lifetimes: lifetimes}
}

// RevocationTTL is how long a revocation is listed: until no token issued before it can be alive, whatever the lifetime was then.
const RevocationTTL = 25 * time.Hour

// SignIn opens a session. If user's answer is not what is known of the account, one of them is old: it is asked again, and what has
// changed since the last sign-in takes effect on all sessions.
func (s *Service) SignIn(ctx context.Context, email, password string) (Tokens, error) {
	account, err := s.users.Verify(ctx, email, password)
	if err != nil {
		return Tokens{}, err
	}
	id, err := s.ids.Next()
	if err != nil {
		return Tokens{}, err
	}
	token := make([]byte, 32)
	_, _ = rand.Read(token) // never fails
	session, now, err := s.store.Open(ctx, id, account, Hash(token), s.lifetimes())
	for try := 0; errors.Is(err, ErrOutdated) && try < 3; try++ {
		if account, err = s.learn(ctx, account.ID); err != nil {
			return Tokens{}, err
		}
		session, now, err = s.store.Open(ctx, id, account, Hash(token), s.lifetimes())
	}
	if err != nil {
		return Tokens{}, err
	}
	return s.tokens(session, token, now)
}

// Refresh exchanges a refresh token. The successor is derived from it, so that a client whose answer was lost gets the same one when it
// asks again within a minute; any other reuse means that two hold the token, and ends the session.
func (s *Service) Refresh(ctx context.Context, refresh string) (Tokens, error) {
	invalid := problem.New(problem.Unauthenticated, "invalid_refresh_token", "Sign in again: this refresh token cannot be used.")
	token, err := base64.RawURLEncoding.DecodeString(refresh)
	if err != nil || len(token) != 32 {
		return Tokens{}, invalid
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(token)
	successor := mac.Sum(nil)
	rotate := func() (Rotation, error) {
		return s.store.Rotate(ctx, Hash(token), Hash(successor), s.lifetimes(), RevocationTTL)
	}
	r, err := rotate()
	if err == nil && r.Ask != "" {
		if _, err = s.learn(ctx, r.Ask); err == nil {
			r, err = rotate()
		}
	}
	if err != nil {
		return Tokens{}, err
	}
	if !r.OK {
		return Tokens{}, invalid
	}
	return s.tokens(r.Session, successor, r.Now)
}

// SignOut ends a session.
func (s *Service) SignOut(ctx context.Context, sessionID string) error {
	return s.store.End(ctx, sessionID, RevocationTTL)
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

// Hash is how a refresh token is kept: whoever reads the database cannot use it. The tokens are random, so no salt is needed.
func Hash(token []byte) []byte {
	sum := sha256.Sum256(token)
	return sum[:]
}
