package sentry

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
)

// writeTokens writes the token by which the sidecar of each app proves its id to sentry, and returns the key set that
// verifies them. The key that signs them is forgotten: nobody can make one more. Tokens do not expire, because a
// sidecar renews its certificate every twelve hours by the same one; those of an earlier start are refused.
func writeTokens(dir string, apps []string) (keySet []byte, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	const kid = "mall"
	for _, app := range apps {
		token, err := sign(private, map[string]string{"alg": "EdDSA", "typ": "JWT", "kid": kid}, map[string]string{
			"aud": "spiffe://" + ownDomain + "/ns/" + namespace + "/dapr-sentry",
			"sub": "spiffe://" + trustDomain + "/ns/" + namespace + "/" + app})
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, app), []byte(token), 0o600); err != nil {
			return nil, err
		}
	}
	return json.Marshal(map[string]any{"keys": []any{map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": kid,
		"use": "sig", "alg": "EdDSA", "x": base64.RawURLEncoding.EncodeToString(public)}}})
}

// sign returns a JSON Web Token (RFC 7519).
func sign(key ed25519.PrivateKey, header, claims map[string]string) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(text))), nil
}
