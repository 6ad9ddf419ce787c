package signing

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"sort"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/kit/identity"
)

// Store keeps the keys.
type Store interface {
	// Keys returns all keys.
	Keys(ctx context.Context) (Keys, error)
	// ChangeKeys changes them; changes are serialised over all replicas.
	ChangeKeys(ctx context.Context, change func(k *Keys) error) (Keys, error)
}

// Ring implements auth.Signer with this replica's copy of the keys.
type Ring struct {
	store    Store
	vault    *Vault
	rotation func() time.Duration
	now      atomic.Pointer[copied]
}

type copied struct {
	kid    string
	key    ed25519.PrivateKey
	public identity.KeySet
}

// NewRing makes a ring; the active key is rotated when it has signed for rotation (0: never).
func NewRing(store Store, vault *Vault, rotation func() time.Duration) *Ring {
	return &Ring{store: store, vault: vault, rotation: rotation}
}

// Open fills the ring. The first start of a mall makes its keys; an older mall's are imported.
func (r *Ring) Open(ctx context.Context) error {
	_, err := r.change(ctx, func(k *Keys) error {
		if len(k.List) == 0 { // once: a key that was revoked and forgotten must not come back
			r.vault.Import(k)
		}
		k.Complete()
		return nil
	})
	return err
}

// Refresh reads what other replicas have changed, and rotates when it is time.
func (r *Ring) Refresh(ctx context.Context) error {
	keys, err := r.store.Keys(ctx)
	if err != nil {
		return err
	}
	due := func(k *Keys) bool { after := r.rotation(); return after > 0 && k.Due(after) }
	resealed := false
	for _, k := range keys.List {
		resealed = resealed || k.Wrap != r.vault.Current()
	}
	if due(&keys) || resealed || keys.find(Active) == nil {
		_, err = r.change(ctx, func(k *Keys) error {
			if k.Complete(); due(k) {
				return k.Rotate()
			}
			return nil
		})
		return err
	}
	return r.take(keys)
}

// Rotate makes the standby key the active one.
func (r *Ring) Rotate(ctx context.Context) (Keys, error) { return r.change(ctx, (*Keys).Rotate) }

// Revoke rejects a key with all its tokens.
func (r *Ring) Revoke(ctx context.Context, kid string) (Keys, error) {
	return r.change(ctx, func(k *Keys) error { return k.Revoke(kid) })
}

// List returns all keys.
func (r *Ring) List(ctx context.Context) (Keys, error) { return r.store.Keys(ctx) }

// Published returns the ids of the published keys as the database has them: another replica may have revoked one.
func (r *Ring) Published(ctx context.Context) ([]string, error) {
	keys, err := r.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	kids := []string{}
	for _, k := range keys.List {
		if k.Published(keys.Now) {
			kids = append(kids, k.Kid)
		}
	}
	return kids, nil
}

func (r *Ring) change(ctx context.Context, change func(k *Keys) error) (Keys, error) {
	keys, err := r.store.ChangeKeys(ctx, change)
	if err != nil {
		return keys, err
	}
	return keys, r.take(keys)
}

func (r *Ring) take(keys Keys) error {
	active := keys.find(Active)
	if active == nil {
		return errors.New("no key signs")
	}
	c := &copied{kid: active.Kid, key: ed25519.NewKeyFromSeed(active.Seed),
		public: identity.KeySet{Keys: []identity.Key{}}}
	for _, k := range keys.List {
		if k.Published(keys.Now) {
			public, _ := ed25519.NewKeyFromSeed(k.Seed).Public().(ed25519.PublicKey)
			c.public.Keys = append(c.public.Keys, identity.Key{Kty: "OKP", Crv: "Ed25519", Kid: k.Kid, Use: "sig", Alg: "EdDSA",
				X: base64.RawURLEncoding.EncodeToString(public)})
		}
	}
	sort.Slice(c.public.Keys, func(i, j int) bool { return c.public.Keys[i].Kid < c.public.Keys[j].Kid })
	r.now.Store(c)
	return nil
}

// Sign makes an access token.
func (r *Ring) Sign(s auth.Session, issued time.Time, lifetime time.Duration) (string, error) {
	c := r.now.Load()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{
		Roles: s.Roles, Session: s.ID, Type: identity.AccessType, IssuedMS: issued.UnixMilli(),
		RegisteredClaims: jwt.RegisteredClaims{Issuer: identity.Issuer, Audience: jwt.ClaimStrings{identity.Audience},
			Subject:  s.UserID,
			IssuedAt: jwt.NewNumericDate(issued.Truncate(time.Second)), ExpiresAt: jwt.NewNumericDate(issued.Add(lifetime))}})
	t.Header["kid"] = c.kid
	signed, err := t.SignedString(c.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// Public returns the public keys, sorted.
func (r *Ring) Public() identity.KeySet { return r.now.Load().public }
