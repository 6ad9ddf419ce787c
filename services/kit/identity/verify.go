package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/services/kit/problem"
)

const (
	// freshFor is how long fetched keys are used without a fetch. After it the next token triggers a fetch in the
	// background.
	freshFor = 5 * time.Second
	// refetchAfter is the age after which keys are fetched before a token is checked. Auth publishes a key longer than
	// this before it signs with it.
	refetchAfter = 30 * time.Second
	fetchTimeout = 5 * time.Second // of a fetch in the background
	// fetchPause is the least time between two fetches; and between two fetches because of an unknown key id, so that
	// forged ids do not cause a stream of calls.
	fetchPause      = time.Second
	maxCachedTokens = 20_000 // a few MB
	// maxClockSkew is how far auth's clock (its database's) may be ahead of this one: without it a token could not be used
	// in the first seconds of its life.
	maxClockSkew = 30 * time.Second
)

// Claims is the payload of an access token.
type Claims struct {
	Roles   []string `json:"roles"`
	Session string   `json:"sid"`
	Type    string   `json:"typ"`
	// IssuedMS is iat in milliseconds, so that a revocation spares a token issued right after it.
	IssuedMS int64 `json:"iat_ms"`
	jwt.RegisteredClaims
}

// AccessType is the typ claim of an access token; other tokens signed by auth are rejected.
const AccessType = "access"

// Key is one public key as in RFC 8037 (kty OKP, crv Ed25519).
type Key struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	Kid string `json:"kid"`
	X   string `json:"x"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

// KeySet is a JSON Web Key Set (RFC 7517).
type KeySet struct {
	Keys []Key `json:"keys"`
}

// Verifier checks tokens against auth's public keys. Verified tokens are remembered until they expire,
// so a signature is checked once per token and process.
type Verifier struct {
	fetch func(ctx context.Context) (KeySet, error)
	now   func() time.Time

	mu        sync.RWMutex
	keys      map[string]ed25519.PublicKey // by key id
	installed time.Time                    // when keys were last replaced

	fetching    sync.Mutex // held during a fetch
	lastFetch   time.Time
	lastUnknown time.Time // the last fetch because of an unknown key id
	lastErr     error     // of the last fetch

	cacheMu sync.RWMutex
	cache   map[[32]byte]cachedUser
}

type cachedUser struct {
	user    User // its Key must still be published: a revoked key voids the tokens that it signed
	expires time.Time
}

// NewVerifier makes a verifier that fetches keys when it first needs them.
func NewVerifier(fetch func(ctx context.Context) (KeySet, error)) *Verifier {
	return &Verifier{fetch: fetch, now: time.Now, keys: map[string]ed25519.PublicKey{}, cache: map[[32]byte]cachedUser{}}
}

func unauthenticated(cause error) error {
	return problem.Wrap(cause, problem.Unauthenticated, "unauthenticated",
		"Sign in: the access token is missing, expired or not valid.")
}

func unavailable(cause error) error {
	return problem.NewUnavailable(cause, time.Second, "Tokens cannot be checked right now.")
}

// Verify returns the user of a token. It returns Unauthenticated, or Unavailable while the keys cannot be fetched.
func (v *Verifier) Verify(ctx context.Context, token string) (User, error) {
	sum := sha256.Sum256([]byte(token))
	v.cacheMu.RLock()
	hit, ok := v.cache[sum]
	v.cacheMu.RUnlock()
	if ok {
		if !v.now().Before(hit.expires) {
			return User{}, unauthenticated(jwt.ErrTokenExpired)
		}
		if _, err := v.key(ctx, hit.user.Key); err != nil {
			return User{}, unlessUnavailable(err)
		}
		return hit.user, nil
	}
	var claims Claims
	var kid string
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(Issuer), jwt.WithAudience(Audience), jwt.WithExpirationRequired(), jwt.WithTimeFunc(v.now),
	).ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		kid, _ = t.Header["kid"].(string)
		return v.key(ctx, kid)
	})
	if err != nil {
		return User{}, unlessUnavailable(err)
	}
	if iat := claims.IssuedAt; iat != nil && iat.After(v.now().Add(maxClockSkew)) {
		return User{}, unauthenticated(jwt.ErrTokenUsedBeforeIssued)
	}
	if claims.Type != AccessType || claims.Subject == "" || claims.Session == "" || claims.IssuedMS <= 0 {
		return User{}, unauthenticated(errors.New("not an access token"))
	}
	u := User{ID: claims.Subject, Roles: claims.Roles, Session: claims.Session, Key: kid, IssuedAt: claims.IssuedMS}
	v.remember(sum, cachedUser{u, claims.ExpiresAt.Time})
	return u, nil
}

// unlessUnavailable makes every error but Unavailable a refusal of the token.
func unlessUnavailable(err error) error {
	if problem.KindOf(err) == problem.Unavailable {
		return err
	}
	return unauthenticated(err)
}

func (v *Verifier) remember(sum [32]byte, c cachedUser) {
	v.cacheMu.Lock()
	defer v.cacheMu.Unlock()
	if len(v.cache) >= maxCachedTokens {
		now := v.now()
		for k, old := range v.cache {
			if !now.Before(old.expires) {
				delete(v.cache, k)
			}
		}
		if len(v.cache) >= maxCachedTokens { // all still valid: start over, at one more signature check per token
			clear(v.cache)
		}
	}
	v.cache[sum] = c
}

// key returns the public key with id kid, and fetches the keys if they are old or do not contain it.
func (v *Verifier) key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	k, age := v.lookUp(kid)
	switch {
	case k != nil && age < freshFor:
		return k, nil
	case k != nil && !v.fetching.TryLock(): // a fetch is under way; it may take long, and the known key is good enough
		return k, nil
	case k != nil && v.now().Sub(v.lastFetch) < fetchPause:
		v.fetching.Unlock()
		return k, nil
	case k != nil && age < refetchAfter:
		go func() {
			defer v.fetching.Unlock()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
			defer cancel()
			_, _ = v.fetchKey(ctx, kid, k) // if it fails the known keys stay
		}()
		return k, nil
	case k == nil:
		v.fetching.Lock()
	}
	defer v.fetching.Unlock()
	if k, age = v.lookUp(kid); k != nil && age < freshFor {
		return k, nil
	}
	return v.fetchKey(ctx, kid, k)
}

// fetchKey fetches the keys and returns the one with id kid. If it cannot, it returns the known one, k (nil: none). The
// caller holds fetching.
func (v *Verifier) fetchKey(ctx context.Context, kid string, k ed25519.PublicKey) (ed25519.PublicKey, error) {
	justFetched := v.now().Sub(v.lastFetch) < fetchPause
	switch {
	case justFetched && k != nil:
		return k, nil
	case justFetched && v.lastErr != nil: // who waited for a fetch that failed need not wait for another one
		return nil, unavailable(v.lastErr)
	case k == nil && v.now().Sub(v.lastUnknown) < fetchPause:
		return nil, fmt.Errorf("unknown key %q", kid)
	}
	set, err := v.fetch(ctx)
	if err == nil || k != nil || ctx.Err() == nil { // else the caller disconnected, which is no failure of auth
		v.lastFetch, v.lastErr = v.now(), err
		if k == nil {
			v.lastUnknown = v.lastFetch
		}
	}
	if err != nil {
		if k != nil {
			return k, nil
		}
		return nil, unavailable(err)
	}
	v.install(set)
	if k, _ := v.lookUp(kid); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("unknown key %q", kid)
}

// lookUp returns a key, and the age of the fetched keys.
func (v *Verifier) lookUp(kid string) (ed25519.PublicKey, time.Duration) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.keys[kid], v.now().Sub(v.installed)
}

func (v *Verifier) install(set KeySet) {
	keys := make(map[string]ed25519.PublicKey, len(set.Keys))
	for _, k := range set.Keys {
		raw, err := base64.RawURLEncoding.DecodeString(k.X)
		if k.Kty == "OKP" && k.Crv == "Ed25519" && err == nil && len(raw) == ed25519.PublicKeySize {
			keys[k.Kid] = raw
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys, v.installed = keys, v.now()
}
