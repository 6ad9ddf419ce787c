package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/services/kit/problem"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func claims(change func(*Claims)) Claims {
	c := Claims{Roles: []string{Customer}, Session: "s1", Type: AccessType, IssuedMS: noon.UnixMilli(), RegisteredClaims: jwt.RegisteredClaims{
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

func TestOnlyOurFreshAccessTokensPass(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	_, stranger, _ := ed25519.GenerateKey(nil)
	now := noon
	v := NewVerifier(func(context.Context) (KeySet, error) {
		return KeySet{Keys: []Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: base64.RawURLEncoding.EncodeToString(public)}}}, nil
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
		"expired":            sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.ExpiresAt = jwt.NewNumericDate(noon.Add(-time.Second)) })),
		"no subject":         sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.Subject = "" })),
		"not a token":        "hello",
		"empty":              "",
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
	now = noon.Add(15 * time.Minute)
	if _, err := v.Verify(t.Context(), good); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("cached token after its expiry: %v, want unauthenticated", err)
	}
}

// Without keys nobody is let in, and nobody is told that a good token is bad.
func TestNoKeysIsUnavailable(t *testing.T) {
	_, private, _ := ed25519.GenerateKey(nil)
	v := NewVerifier(func(context.Context) (KeySet, error) { return KeySet{}, errors.New("auth is down") })
	v.now = func() time.Time { return noon }
	if _, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, private, claims(nil))); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}

// Auth hangs when it is time to ask for its keys again: one request waits for it, nobody else does, and nobody is refused.
func TestHangingAuthHoldsUpOneRequest(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	var now, asked atomic.Int64
	hanging, end := make(chan struct{}, 9), make(chan struct{})
	v := NewVerifier(func(context.Context) (KeySet, error) {
		if asked.Add(1) > 1 {
			hanging <- struct{}{}
			<-end
			return KeySet{}, errors.New("auth did not answer")
		}
		return KeySet{Keys: []Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k1", X: base64.RawURLEncoding.EncodeToString(public)}}}, nil
	})
	v.now = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	verify := func(user string) error {
		_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, private, claims(func(c *Claims) { c.Subject = user })))
		return err
	}
	if err := verify("7"); err != nil {
		t.Fatal(err)
	}
	now.Store(int64(keysFor + time.Second))
	first := make(chan error, 1)
	go func() { first <- verify("8") }()
	<-hanging
	others := make(chan error, 1)
	go func() { others <- verify("9") }()
	select {
	case err := <-others:
		if err != nil {
			t.Errorf("while another one asks: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a request whose key is known waits for auth")
	}
	close(end)
	if err := <-first; err != nil {
		t.Errorf("the one who asked: %v", err)
	}
	if err := verify("10"); err != nil || asked.Load() != 2 {
		t.Errorf("a moment later: %v, asked %d times; want the known key, and no new question yet", err, asked.Load())
	}
}
