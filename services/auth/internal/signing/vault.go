package signing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// wrapPrefix marks the wrapping keys in the secret; "wrap" names the one that encrypts from now on.
const wrapPrefix = "wrap-"

// Vault encrypts signing keys with the wrapping keys of the secret store.
type Vault struct {
	current string
	wraps   map[string]cipher.AEAD
	legacy  map[string][]byte // seeds from before keys lived in the database
	active  string            // the one of them that signed
}

// NewVault reads the secret: "wrap" names the present wrapping key, "wrap-…" are 32 bytes in base64 each. Older malls
// have "active", which names a key id, and key ids with Ed25519 seeds.
func NewVault(secret map[string]string) (*Vault, error) {
	v := &Vault{current: secret["wrap"], active: secret["active"], wraps: map[string]cipher.AEAD{},
		legacy: map[string][]byte{}}
	for name, value := range secret {
		if name == "wrap" || name == "active" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil || len(raw) != ed25519.SeedSize { // an AES-256 key is as long
			return nil, fmt.Errorf("%q of the secret signing-keys is not 32 bytes in base64", name)
		}
		id, wraps := strings.CutPrefix(name, wrapPrefix)
		if !wraps {
			v.legacy[name] = raw
			continue
		}
		if v.wraps[id], err = aead(raw); err != nil {
			return nil, err
		}
	}
	if v.wraps[v.current] == nil {
		return nil, errors.New(`secret signing-keys has no sealing key named by "wrap"`)
	}
	return v, nil
}

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Current names the wrapping key that encrypts from now on.
func (v *Vault) Current() string { return v.current }

// Seal encrypts the seed of a key, bound to its id.
func (v *Vault) Seal(kid string, seed []byte) []byte {
	gcm := v.wraps[v.current]
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return gcm.Seal(nonce, nonce, seed, []byte(kid))
}

// Open decrypts the seed of a key.
func (v *Vault) Open(kid, wrap string, sealed []byte) ([]byte, error) {
	gcm := v.wraps[wrap]
	if gcm == nil {
		return nil, fmt.Errorf("signing key %s is sealed with %q, which the secret signing-keys does not have", kid, wrap)
	}
	if len(sealed) < gcm.NonceSize() {
		return nil, fmt.Errorf("signing key %s is cut off", kid)
	}
	seed, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], []byte(kid))
	if err != nil {
		return nil, fmt.Errorf("unseal signing key %s: %w", kid, err)
	}
	return seed, nil
}

// Import returns the keys of an older mall.
func (v *Vault) Import(k *Keys) {
	for kid, seed := range v.legacy {
		k.Import(kid, seed, kid == v.active)
	}
}
