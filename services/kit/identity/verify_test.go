package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/services/kit/problem"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func claims(change func(*Claims)) Claims {
	c := Claims{Roles: []string{Customer}, Session: "s1", Type: AccessType, IssuedMS: noon.UnixMilli(),
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: "7",
			IssuedAt: jwt.NewNumericDate(noon), ExpiresAt: jwt.NewNumericDate(noon.Add(15 * time.Minute))}}
	if change != nil {
		change(&c)
	}
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, c Claims) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, c)
	tok.Header["kid"] = "k1"
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOnlyValidAccessTokensAreAccepted(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	_, stranger, _ := ed25519.GenerateKey(nil)
	now := noon
	v := NewVerifier(func(context.Context) (KeySet, error) {
		return KeySet{Keys: []Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: base64.RawURLEncoding.EncodeToString(public)}}},
			nil
	})
	v.now = func() time.Time { return now }

	good := sign(t, jwt.SigningMethodEdDSA, private, claims(nil))
	parts := strings.Split(good, ".")
	tests := map[string]string{
		"alg none":           sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)),
		"HS256 + public key": sign(t, jwt.SigningMethodHS256, []byte(public), claims(nil)),
		"another key":        sign(t, jwt.SigningMethodEdDSA, stranger, claims(nil)),
		"tampered":           parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"1"}`)) + "." + parts[2],
		"refresh type":       sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.Type = "refresh" })),
		"other issuer":       sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.Issuer = "evil" })),
		"other audience":     sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.Audience = nil })),
		"no expiry":          sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.ExpiresAt = nil })),
		"expired": sign(t, jwt.SigningMethodEdDSA, private,
			claims(func(c *Claims) { c.ExpiresAt = jwt.NewNumericDate(noon.Add(-time.Second)) })),
		"issued tomorrow": sign(t, jwt.SigningMethodEdDSA, private,
			claims(func(c *Claims) { c.IssuedAt = jwt.NewNumericDate(noon.Add(24 * time.Hour)) })),
		"no subject":  sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.Subject = "" })),
		"not a token": "hello",
		"empty":       "",
	}
	for name, token := range tests {
		if u, err := v.Verify(t.Context(), token); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("%s: %+v, %v; want unauthenticated", name, u, err)
		}
	}
	for range 2 { // the second answer comes from the cache
		if u, err := v.Verify(t.Context(), good); err != nil || u.ID != "7" || !u.Is(Customer) {
			t.Fatalf("good token: %+v, %v", u, err)
		}
	}
	ahead := sign(t, jwt.SigningMethodEdDSA, private,
		claims(func(c *Claims) { c.IssuedAt = jwt.NewNumericDate(noon.Add(10 * time.Second)) }))
	if u, err := v.Verify(t.Context(), ahead); err != nil || u.ID != "7" {
		t.Errorf("auth's clock is ten seconds ahead: %+v, %v; want the user", u, err)
	}
	now = noon.Add(15 * time.Minute)
	if _, err := v.Verify(t.Context(), good); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("cached token after its expiry: %v, want unauthenticated", err)
	}
}

// Without keys all tokens are refused, but as unavailable: a valid token must not be called invalid.
func TestNoKeysIsUnavailable(t *testing.T) {
	_, private, _ := ed25519.GenerateKey(nil)
	v := NewVerifier(func(context.Context) (KeySet, error) { return KeySet{}, errors.New("auth is down") })
	v.now = func() time.Time { return noon }
	if _, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, private,
		claims(nil))); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}

// While one request waits for auth, which hangs, others are verified with the known keys.
func TestAHangingAuthDelaysOnlyOneRequest(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	set := KeySet{Keys: []Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: base64.RawURLEncoding.EncodeToString(public)}}}
	asked, answer := make(chan struct{}), make(chan struct{})
	hangs := false
	now := noon
	v := NewVerifier(func(context.Context) (KeySet, error) {
		if !hangs {
			return set, nil
		}
		asked <- struct{}{}
		<-answer
		return KeySet{}, errors.New("no answer in time")
	})
	v.now = func() time.Time { return now }
	token := func(session string) string {
		return sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.Session = session }))
	}
	if _, err := v.Verify(t.Context(), token("first")); err != nil {
		t.Fatal(err)
	}
	hangs, now = true, noon.Add(refetchAfter)
	waited := make(chan error)
	go func() {
		_, err := v.Verify(t.Context(), token("waits"))
		waited <- err
	}()
	<-asked
	if _, err := v.Verify(t.Context(), token("does not wait")); err != nil {
		t.Errorf("while another request waits: %v", err)
	}
	close(answer)
	if err := <-waited; err != nil {
		t.Errorf("the request that waited: %v, want it verified with the known key", err)
	}
	if _, err := v.Verify(t.Context(), token("right after")); err != nil {
		t.Errorf("right after: %v", err)
	}
}

// Before the keys are known, all requests share the answer to the first fetch. If each fetched in turn, a hundred
// requests would wait a hundred times as long for a hanging auth.
func TestRequestsShareOneFetchFromAHangingAuth(t *testing.T) {
	_, private, _ := ed25519.GenerateKey(nil)
	const many = 20
	var asked atomic.Int32
	answer := make(chan struct{})
	now := noon
	v := NewVerifier(func(ctx context.Context) (KeySet, error) {
		asked.Add(1)
		select {
		case <-answer:
		case <-ctx.Done():
		}
		return KeySet{}, errors.New("no answer in time")
	})
	v.now = func() time.Time { return now }
	token := sign(t, jwt.SigningMethodEdDSA, private, claims(nil))

	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := v.Verify(gone, token); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("the request that was cancelled: %v, want unavailable", err)
	}
	got := make(chan error, many)
	for range many {
		go func() {
			_, err := v.Verify(t.Context(), token)
			got <- err
		}()
	}
	close(answer)
	for range many {
		if err := <-got; problem.KindOf(err) != problem.Unavailable {
			t.Errorf("got %v, want unavailable", err)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("auth was asked %d times, want once by the cancelled request and once for all others", n)
	}
	now = now.Add(fetchPause)
	if _, err := v.Verify(t.Context(), token); problem.KindOf(err) != problem.Unavailable || asked.Load() != 3 {
		t.Errorf("a second later: %v, asked %d times, want it asked again", err, asked.Load())
	}
}

// When a stolen key is removed from the list, its tokens become void, even those that were verified before.
func TestARemovedKeyVoidsVerifiedTokens(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	set := KeySet{Keys: []Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: base64.RawURLEncoding.EncodeToString(public)}}}
	fetched := make(chan struct{}, 10)
	var mu sync.Mutex
	now := noon
	v := NewVerifier(func(context.Context) (KeySet, error) {
		mu.Lock()
		defer mu.Unlock()
		defer func() { fetched <- struct{}{} }()
		return set, nil
	})
	v.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	later := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	token := sign(t, jwt.SigningMethodEdDSA, private, claims(nil))
	verify := func() error { _, err := v.Verify(t.Context(), token); return err }
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	<-fetched
	mu.Lock()
	set = KeySet{}
	mu.Unlock()
	later(freshFor)
	if err := verify(); err != nil { // starts a fetch and does not wait for it
		t.Errorf("while the keys are fetched: %v", err)
	}
	<-fetched
	for verify() == nil { // until the fetched keys are in use
		runtime.Gosched()
	}
	if err := verify(); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("a token of the removed key: %v, want unauthenticated", err)
	}
	mu.Lock()
	set = KeySet{Keys: []Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: base64.RawURLEncoding.EncodeToString(public)}}}
	mu.Unlock()
	later(refetchAfter)
	if err := verify(); err != nil {
		t.Errorf("with the key back: %v", err)
	}
	mu.Lock()
	set = KeySet{}
	mu.Unlock()
	later(refetchAfter) // after a long pause the keys are fetched before the token is verified
	if err := verify(); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("after a long pause: %v, want unauthenticated", err)
	}
}

// An unknown key id causes a fetch at once, even if the keys were fetched just before: a new key may replace a stolen
// one at any moment. Forged key ids cause at most one fetch a second.
func TestAnUnknownKeyIDCausesAFetch(t *testing.T) {
	keys, privates := map[string]Key{}, map[string]ed25519.PrivateKey{}
	for _, kid := range []string{"k1", "k2"} {
		public, private, _ := ed25519.GenerateKey(nil)
		keys[kid] = Key{Kty: "OKP", Crv: "Ed25519", Kid: kid, X: base64.RawURLEncoding.EncodeToString(public)}
		privates[kid] = private
	}
	token := func(kid string, private ed25519.PrivateKey) string {
		tok := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims(nil))
		tok.Header["kid"] = kid
		s, err := tok.SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	set, fetches, now := KeySet{Keys: []Key{keys["k1"]}}, 0, noon
	v := NewVerifier(func(context.Context) (KeySet, error) { fetches++; return set, nil })
	v.now = func() time.Time { return now }
	verify := func(kid, signer string) error {
		_, err := v.Verify(t.Context(), token(kid, privates[signer]))
		return err
	}
	if err := verify("k1", "k1"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(refetchAfter)
	if err := verify("k1", "k1"); err != nil || fetches != 2 {
		t.Fatalf("%v after %d fetches", err, fetches)
	}
	set.Keys = append(set.Keys, keys["k2"])
	now = now.Add(fetchPause / 3)
	if err := verify("k2", "k2"); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	for range 5 {
		if err := verify("k3", "k2"); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("a forged key id: %v", err)
		}
	}
	if fetches != 3 {
		t.Errorf("keys were fetched %d times, want 3", fetches)
	}
	now = now.Add(fetchPause)
	_ = verify("k3", "k2")
	if fetches != 4 {
		t.Errorf("a second later keys were fetched %d times, want 4", fetches)
	}
}
