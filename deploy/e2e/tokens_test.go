//go:build e2e

package e2e

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

var b64 = base64.RawURLEncoding

// token makes a JWT signed by sign.
func token(t *testing.T, header, claims map[string]any, sign func(text []byte) []byte) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return text + "." + b64.EncodeToString(sign([]byte(text)))
}

func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	raw, err := b64.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func with(m map[string]any, key string, value any) map[string]any {
	n := maps.Clone(m)
	n[key] = value
	return n
}

// forgeries are invalid tokens that claim to be a user, an admin if that helps. None of them may be accepted.
func forgeries(t *testing.T, who member) map[string]string {
	t.Helper()
	var secrets map[string]map[string]string
	readJSON(t, home("secrets.json"), &secrets)
	kid := secrets["signing-keys"]["active"]
	seed, err := base64.StdEncoding.DecodeString(secrets["signing-keys"][kid])
	if err != nil {
		t.Fatal(err)
	}
	// A key that has signed remains valid for verification, so a rotation in between does not matter.
	real, header, claims := ed25519.NewKeyFromSeed(seed), with(part(t, who.Token, 0), "kid", kid), part(t, who.Token, 1)
	byMall := func(text []byte) []byte { return ed25519.Sign(real, text) }
	if genuine := token(t, header, claims, byMall); do(t, visitor.As(genuine), http.MethodGet, "/v1/me",
		nil).Status != http.StatusOK {
		t.Fatal("a token signed as auth does is refused, so the forgeries would be refused for the wrong reason")
	}
	public := publicKey(t, kid)
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	byOther := func(text []byte) []byte { return ed25519.Sign(other, text) }
	byHMAC := func(key []byte) func([]byte) []byte {
		return func(text []byte) []byte {
			m := hmac.New(sha256.New, key)
			m.Write(text)
			return m.Sum(nil)
		}
	}
	nothing := func([]byte) []byte { return nil }
	adminClaims := with(claims, "roles", []string{"customer", "seller", "admin"})
	past := time.Now().Add(-time.Minute)
	expired := with(with(with(adminClaims, "exp", past.Unix()), "iat", past.Add(-time.Hour).Unix()), "iat_ms",
		past.Add(-time.Hour).UnixMilli())
	without := maps.Clone(adminClaims)
	delete(without, "exp")
	half := strings.Split(who.Token, ".")
	text, err := json.Marshal(adminClaims)
	if err != nil {
		t.Fatal(err)
	}
	tampered := []byte(half[2])
	tampered[10] ^= 1
	return map[string]string{
		"expired":                   token(t, header, expired, byMall),
		"never expiring":            token(t, header, without, byMall),
		"issued in future":          token(t, header, with(adminClaims, "iat", time.Now().Add(time.Hour).Unix()), byMall),
		"of another issuer":         token(t, header, with(adminClaims, "iss", "another"), byMall),
		"for another audience":      token(t, header, with(adminClaims, "aud", "another"), byMall),
		"not an access token":       token(t, header, with(adminClaims, "typ", "refresh"), byMall),
		"no subject":                token(t, header, with(adminClaims, "sub", ""), byMall),
		"alg none":                  token(t, with(header, "alg", "none"), adminClaims, nothing),
		"alg None":                  token(t, with(header, "alg", "None"), adminClaims, nothing),
		"no signature":              token(t, header, adminClaims, nothing),
		"HS256 with the public key": token(t, with(header, "alg", "HS256"), adminClaims, byHMAC(public)),
		"HS256 with it as published": token(t, with(header, "alg", "HS256"), adminClaims,
			byHMAC([]byte(b64.EncodeToString(public)))),
		"HS256 with an empty key":       token(t, with(header, "alg", "HS256"), adminClaims, byHMAC(nil)),
		"another key with the same kid": token(t, header, adminClaims, byOther),
		"another key":                   token(t, with(header, "kid", "k-forged"), adminClaims, byOther),
		"a key in its own header": token(t, with(with(header, "kid", "k-forged"), "jwk",
			map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64.EncodeToString(other.Public().(ed25519.PublicKey))}),
			adminClaims, byOther),
		"a key from another host": token(t, with(header, "jku", "http://127.0.0.1:1/keys"), adminClaims, byOther),
		"tampered claims":         half[0] + "." + b64.EncodeToString(text) + "." + half[2],
		"tampered signature":      half[0] + "." + half[1] + "." + string(tampered),
		"a refresh token":         who.refresh,
		"half a token":            half[0] + "." + half[1],
		"noise":                   "AAAA.BBBB.CCCC",
		"very long":               strings.Repeat("A", 8000),
	}
}

// publicKey returns the published key with this id.
func publicKey(t *testing.T, kid string) []byte {
	t.Helper()
	var set struct {
		Keys []struct{ Kid, X, D string }
	}
	if err := visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/.well-known/jwks.json", nil, &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k.D != "" {
			t.Fatal("the mall publishes a private key")
		}
		if k.Kid == kid {
			raw, err := b64.DecodeString(k.X)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
	}
	t.Fatalf("key %s is not published", kid)
	return nil
}

// A ban ends sessions within about a second, refuses sign-ins, and can be lifted.
func TestBanTakesEffect(t *testing.T) {
	me := newMember(t)
	credentials := map[string]string{"email": me.email, "password": apiclient.Password}
	ban(t, me)
	if a := do(t, visitor, http.MethodPost, "/v1/sessions", credentials); a.Status != http.StatusForbidden ||
		a.Code() != "banned" {
		t.Errorf("signing in: %s, want 403 banned", a)
	}
	if a := do(t, visitor, http.MethodPost, "/v1/sessions",
		map[string]string{"email": me.email, "password": "a wrong password"}); a.Code() != "invalid_credentials" {
		t.Errorf("signing in with a wrong password: %s; it must not reveal who is banned", a)
	}
	if a := do(t, visitor, http.MethodPost, "/v1/sessions/refresh",
		map[string]string{"refresh_token": me.refresh}); a.Code() != "invalid_refresh_token" {
		t.Errorf("refreshing: %s, want invalid_refresh_token", a)
	}
	if err := admin.Want(t.Context(), http.StatusNoContent, http.MethodDelete, "/v1/admin/users/"+me.id+"/ban", nil,
		nil); err != nil {
		t.Fatal(err)
	}
	err := eventually(t.Context(), 10*time.Second, func() error {
		return visitor.Want(t.Context(), http.StatusCreated, http.MethodPost, "/v1/sessions", credentials, nil)
	})
	if err != nil {
		t.Errorf("after the ban was lifted: %v", err)
	}
	if a := do(t, me.Client, http.MethodGet, "/v1/me", nil); a.Status != http.StatusUnauthorized {
		t.Errorf("a token from before the ban: %s, want 401", a)
	}
}

// Tokens with old roles become void; the session continues with the new roles.
func TestRolesTakeEffect(t *testing.T) {
	me := newMember(t)
	tea := map[string]any{"name": "My first tea", "description": "d", "price": 100, "stock": 1}
	set := func(roles ...string) {
		t.Helper()
		if err := admin.Want(t.Context(), http.StatusOK, http.MethodPut, "/v1/admin/users/"+me.id+"/roles",
			map[string]any{"roles": roles}, nil); err != nil {
			t.Fatal(err)
		}
	}
	sell := func(want int) {
		t.Helper()
		waitUntilVoid(t, me.Client)
		var s apiclient.Session
		if err := visitor.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/sessions/refresh",
			map[string]string{"refresh_token": me.refresh}, &s); err != nil {
			t.Fatal(err)
		}
		me.Client, me.refresh = visitor.As(s.AccessToken), s.RefreshToken
		if a := do(t, me.Client, http.MethodPost, "/v1/products", tea); a.Status != want {
			t.Errorf("selling: %s, want %d", a, want)
		}
	}
	set("customer", "seller")
	sell(http.StatusCreated)
	set("customer")
	sell(http.StatusForbidden)
}

// Signing out ends the access token and the refresh token of this session only.
func TestSigningOutEndsOnlyThisSession(t *testing.T) {
	phone := newMember(t)
	laptop := signIn(t, phone.email)
	if err := phone.Want(t.Context(), http.StatusNoContent, http.MethodDelete, "/v1/sessions/current", nil,
		nil); err != nil {
		t.Fatal(err)
	}
	waitUntilVoid(t, phone.Client)
	if a := do(t, visitor, http.MethodPost, "/v1/sessions/refresh",
		map[string]string{"refresh_token": phone.refresh}); a.Code() != "invalid_refresh_token" {
		t.Errorf("refreshing after signing out: %s", a)
	}
	if a := do(t, laptop.Client, http.MethodGet, "/v1/me", nil); a.Status != http.StatusOK {
		t.Errorf("the other session: %s, want 200", a)
	}
}

// A client whose answer was lost repeats the refresh and gets the same successor. A refresh token used after its
// successor was used is in two hands, so the whole session ends.
func TestReusingARefreshTokenEndsTheSession(t *testing.T) {
	me := newMember(t)
	refresh := func(token string) (apiclient.Session, apiclient.Answer) {
		t.Helper()
		a := do(t, visitor, http.MethodPost, "/v1/sessions/refresh", map[string]string{"refresh_token": token})
		var s apiclient.Session
		if a.Status == http.StatusOK {
			if err := a.Into(&s); err != nil {
				t.Fatal(err)
			}
		}
		return s, a
	}
	successors := map[string]bool{}
	for _, a := range together(t, 10, func(int) (apiclient.Answer, error) {
		return visitor.Do(t.Context(), http.MethodPost, "/v1/sessions/refresh",
			map[string]string{"refresh_token": me.refresh})
	}) {
		var s apiclient.Session
		if a.Status != http.StatusOK || a.Into(&s) != nil {
			t.Fatalf("refresh: %s", a)
		}
		successors[s.RefreshToken] = true
	}
	if len(successors) != 1 || successors[me.refresh] {
		t.Fatalf("ten at once got %d successors, want the same new one", len(successors))
	}
	second, a := refresh(me.refresh)
	if a.Status != http.StatusOK || !successors[second.RefreshToken] {
		t.Fatalf("once more: %s", a)
	}
	third, a := refresh(second.RefreshToken)
	if a.Status != http.StatusOK {
		t.Fatalf("the successor: %s", a)
	}
	if _, a := refresh(me.refresh); a.Code() != "invalid_refresh_token" {
		t.Fatalf("the first one after its successor was used: %s", a)
	}
	if _, a := refresh(third.RefreshToken); a.Code() != "invalid_refresh_token" {
		t.Errorf("the newest token of the session: %s, want it revoked, too", a)
	}
	waitUntilVoid(t, visitor.As(third.AccessToken))
	waitUntilVoid(t, me.Client)
	for what, token := range map[string]string{"unknown": b64.EncodeToString(make([]byte, 32)),
		"an access token": me.Token, "noise": "x", "changed": "A" + me.refresh[1:]} {
		if _, a := refresh(token); a.Status != http.StatusUnauthorized {
			t.Errorf("a refresh token that is %s: %s, want 401", what, a)
		}
	}
}
