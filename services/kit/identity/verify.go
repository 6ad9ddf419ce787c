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
	// fetched keys count as fresh that long; after that the next token triggers a fetch in the background
	keysFor = 5 * time.Second
	// older keys are fetched before a token is checked; a key is published longer than that before it signs
	keysMost     = 30 * time.Second
	fetchWithin  = 5 * time.Second
	askAgain     = time.Second // keys are fetched at most this often, and as often for unknown key ids
	cachedTokens = 20_000
	// skew is how far auth's clock (its database's) may be ahead of ours: without it a token could not be used in the
	// first seconds of its life.
	skew = 30 * time.Second
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

	mu      sync.RWMutex
	keys    map[string]ed25519.PublicKey
	fetched time.Time
	asking  sync.Mutex
	asked   time.Time
	forged  time.Time // the last fetch for an unknown key
	failed  error     // the error of the last fetch

	cacheMu sync.RWMutex
	cache   map[[32]byte]cached
}

type cached struct {
	user    User // its Key must still be published: when a stolen key is revoked, the tokens it signed go with it
	expires time.Time
}

// NewVerifier makes a verifier that fetches keys when it first needs them.
func NewVerifier(fetch func(ctx context.Context) (KeySet, error)) *Verifier {
	return &Verifier{fetch: fetch, now: time.Now, keys: map[string]ed25519.PublicKey{}, cache: map[[32]byte]cached{}}
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
			return User{}, asRefusal(err)
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
		return User{}, asRefusal(err)
	}
	if iat := claims.IssuedAt; iat != nil && iat.After(v.now().Add(skew)) {
		return User{}, unauthenticated(jwt.ErrTokenUsedBeforeIssued)
	}
	if claims.Type != AccessType || claims.Subject == "" || claims.Session == "" || claims.IssuedMS <= 0 {
		return User{}, unauthenticated(errors.New("not an access token"))
	}
	u := User{ID: claims.Subject, Roles: claims.Roles, Session: claims.Session, Key: kid, IssuedAt: claims.IssuedMS}
	v.remember(sum, cached{u, claims.ExpiresAt.Time})
	return u, nil
}

func asRefusal(err error) error {
	if problem.KindOf(err) == problem.Unavailable {
		return err
	}
	return unauthenticated(err)
}

func (v *Verifier) remember(sum [32]byte, c cached) {
	v.cacheMu.Lock()
	defer v.cacheMu.Unlock()
	if len(v.cache) >= cachedTokens {
		now := v.now()
		for k, old := range v.cache {
			if !now.Before(old.expires) {
				delete(v.cache, k)
			}
		}
		if len(v.cache) >= cachedTokens { // all still valid: start over, at one more signature check per token
			clear(v.cache)
		}
	}
	v.cache[sum] = c
}

func (v *Verifier) key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	k, age := v.known(kid)
	switch {
	case k != nil && age < keysFor:
		return k, nil
	case k != nil && !v.asking.TryLock(): // a fetch is under way, and auth may hang: nobody else waits for it
		return k, nil
	case k != nil && v.now().Sub(v.asked) < askAgain:
		v.asking.Unlock()
		return k, nil
	case k != nil && age < keysMost:
		go func() {
			defer v.asking.Unlock()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchWithin)
			defer cancel()
			_, _ = v.ask(ctx, kid, k) // known keys go on working
		}()
		return k, nil
	case k == nil:
		v.asking.Lock()
	}
	defer v.asking.Unlock()
	if k, age = v.known(kid); k != nil && age < keysFor {
		return k, nil
	}
	return v.ask(ctx, kid, k)
}

// ask fetches the keys; k is the known key with id kid. The caller holds asking.
func (v *Verifier) ask(ctx context.Context, kid string, k ed25519.PublicKey) (ed25519.PublicKey, error) {
	just := v.now().Sub(v.asked) < askAgain
	switch {
	case just && k != nil:
		return k, nil
	case just && v.failed != nil: // a fetch has just failed: those who waited for it need not wait for another one
		return nil, unavailable(v.failed)
	case k == nil && v.now().Sub(v.forged) < askAgain: // forged key ids must not cause a stream of calls
		return nil, fmt.Errorf("unknown key %q", kid)
	}
	set, err := v.fetch(ctx)
	if err == nil || k != nil || ctx.Err() == nil { // a caller that left tells nothing about auth
		v.asked, v.failed = v.now(), err
		if k == nil {
			v.forged = v.asked
		}
	}
	if err != nil {
		if k != nil { // auth is unreachable: known keys go on working
			return k, nil
		}
		return nil, unavailable(err)
	}
	v.install(set)
	if k, _ := v.known(kid); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("unknown key %q", kid)
}

// known returns a key, and the age of the fetched keys.
func (v *Verifier) known(kid string) (ed25519.PublicKey, time.Duration) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.keys[kid], v.now().Sub(v.fetched)
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
	v.keys, v.fetched = keys, v.now()
}
