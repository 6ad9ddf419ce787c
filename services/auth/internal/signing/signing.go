// Package signing holds the mall's Ed25519 keys: it signs access tokens with the active one and shows the public half of all,
// so that a rotation signs nobody out.
package signing

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"sort"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/kit/identity"
)

// Keys is auth.Signer.
type Keys struct {
	active string
	keys   map[string]ed25519.PrivateKey
}

// Load reads the secret: "active" names a key id, every other entry is a key id with a base64 Ed25519 seed.
func Load(secret map[string]string) (*Keys, error) {
	k := &Keys{active: secret["active"], keys: map[string]ed25519.PrivateKey{}}
	for kid, value := range secret {
		if kid == "active" {
			continue
		}
		seed, err := base64.StdEncoding.DecodeString(value)
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("signing key %q is not a base64 seed of %d bytes", kid, ed25519.SeedSize)
		}
		k.keys[kid] = ed25519.NewKeyFromSeed(seed)
	}
	if k.keys[k.active] == nil {
		return nil, fmt.Errorf("secret signing-keys has no key named by \"active\"")
	}
	return k, nil
}

// Sign makes an access token.
func (k *Keys) Sign(s auth.Session, issued time.Time, lifetime time.Duration) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{
		Roles: s.Roles, Session: s.ID, Type: identity.AccessType, IssuedMS: issued.UnixMilli(),
		RegisteredClaims: jwt.RegisteredClaims{Issuer: identity.Issuer, Audience: jwt.ClaimStrings{identity.Audience}, Subject: s.UserID,
			IssuedAt: jwt.NewNumericDate(issued.Truncate(time.Second)), ExpiresAt: jwt.NewNumericDate(issued.Add(lifetime))}})
	t.Header["kid"] = k.active
	signed, err := t.SignedString(k.keys[k.active])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// Public gives the public keys, sorted.
func (k *Keys) Public() identity.KeySet {
	set := identity.KeySet{Keys: []identity.Key{}}
	for kid, key := range k.keys {
		public, _ := key.Public().(ed25519.PublicKey)
		set.Keys = append(set.Keys, identity.Key{Kty: "OKP", Crv: "Ed25519", Kid: kid, Use: "sig", Alg: "EdDSA", X: base64.RawURLEncoding.EncodeToString(public)})
	}
	sort.Slice(set.Keys, func(i, j int) bool { return set.Keys[i].Kid < set.Keys[j].Kid })
	return set
}
