// Package auth is the domain of sessions: signing in, refreshing, signing out, and voiding tokens.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"daprmall.dev/services/kit/problem"
)

// Account is what a session needs to know of an account.
type Account struct {
	ID      string
	Roles   []string
	Banned  bool
	Version int64
}

// Session is one sign-in on one device: a family of refresh tokens.
type Session struct {
	ID     string
	UserID string
	Roles  []string
}

// Tokens is what a client gets.
type Tokens struct {
	Access         string
	AccessExpires  time.Duration
	Refresh        string
	RefreshExpires time.Duration
}

// Users answers whose credentials these are.
type Users interface {
	// Verify refuses with invalid_credentials or banned.
	Verify(ctx context.Context, email, password string) (Account, error)
}

// Signer signs access tokens; nobody else can.
type Signer interface {
	Sign(s Session, issued time.Time, lifetime time.Duration) (string, error)
}

// Store keeps sessions, refresh tokens (hashed) and revocations. Now is the database's clock.
type Store interface {
	// Open starts a session with its first refresh token, unless the account is banned by now. It takes the newer of a's and the
	// known state of the account.
	Open(ctx context.Context, sessionID string, a Account, token []byte, refreshTTL time.Duration) (s Session, now time.Time, err error)
	// Rotate uses a refresh token up: rotation describes what happened.
	Rotate(ctx context.Context, token, successor []byte, refreshTTL, revocationTTL time.Duration) (Rotation, error)
	// End ends a session and voids its access tokens.
	End(ctx context.Context, sessionID string, revocationTTL time.Duration) error
	// Follow takes the state of an account if it is newer than what is known: its access tokens are void, and with a ban its sessions end.
	Follow(ctx context.Context, a Account, revocationTTL time.Duration) error
}

// Rotation is the outcome of using a refresh token.
type Rotation struct {
	OK      bool // false: unknown, expired, of an ended session, or stolen (then the family has ended)
	Session Session
	Now     time.Time
}

// IDs makes session ids.
type IDs interface{ Next() (string, error) }

// Service is what can be done with sessions.
type Service struct {
	users      Users
	signer     Signer
	store      Store
	ids        IDs
	secret     []byte // derives successors of refresh tokens
	accessTTL  func() time.Duration
	refreshTTL func() time.Duration
}

// NewService wires the sessions.
func NewService(users Users, signer Signer, store Store, ids IDs, secret []byte, accessTTL, refreshTTL func() time.Duration) *Service {
	return &Service{users: users, signer: signer, store: store, ids: ids, secret: secret, accessTTL: accessTTL, refreshTTL: refreshTTL}
}

// RevocationTTL is how long a revocation is listed: until no token issued before it can be alive, whatever the lifetime was then.
const RevocationTTL = 25 * time.Hour

// SignIn opens a session.
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
	session, now, err := s.store.Open(ctx, id, account, Hash(token), s.refreshTTL())
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
	r, err := s.store.Rotate(ctx, Hash(token), Hash(successor), s.refreshTTL(), RevocationTTL)
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

// Follow takes the state of an account.
func (s *Service) Follow(ctx context.Context, a Account) error {
	return s.store.Follow(ctx, a, RevocationTTL)
}

func (s *Service) tokens(session Session, refresh []byte, now time.Time) (Tokens, error) {
	ttl := s.accessTTL()
	access, err := s.signer.Sign(session, now, ttl)
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, AccessExpires: ttl, Refresh: base64.RawURLEncoding.EncodeToString(refresh), RefreshExpires: s.refreshTTL()}, nil
}

// Hash is how a refresh token is kept: whoever reads the database cannot use it. The tokens are random, so no salt is needed.
func Hash(token []byte) []byte {
	sum := sha256.Sum256(token)
	return sum[:]
}
