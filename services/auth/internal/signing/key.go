// Package signing holds the mall's Ed25519 signing keys. They live in auth's database, encrypted with a key of the
// secret store, so that a rotation reaches every replica without a restart. Every key is published before it signs, so
// that verifiers know it when its first token arrives.
package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"time"

	"daprmall.dev/services/kit/problem"
)

const (
	// Lead is how long a key is published before it may sign: longer than any verifier caches the keys (identity.Verifier
	// 30 s at most, Cache-Control max-age=60).
	Lead = 90 * time.Second
	// publishedFor is how long a retired key stays published: no token lives longer.
	publishedFor = 25 * time.Hour
)

// Key is one signing key. Its times are on the database's clock; zero means never.
type Key struct {
	Kid       string
	Seed      []byte
	Wrap      string // the wrapping key that encrypts it
	Created   time.Time
	Activated time.Time
	Retired   time.Time
	Revoked   time.Time
}

// State is the phase of a key's life.
type State string

// The states of a key. Standby, active and retired ones are published.
const (
	Standby State = "standby" // signs next
	Active  State = "active"
	Retired State = "retired" // only verifies tokens that it signed
	Expired State = "expired" // its last token has expired
	Revoked State = "revoked" // its tokens are rejected
)

// State returns the key's state at a time.
func (k Key) State(now time.Time) State {
	switch {
	case !k.Revoked.IsZero():
		return Revoked
	case !k.Retired.IsZero() && now.After(k.Retired.Add(publishedFor)):
		return Expired
	case !k.Retired.IsZero():
		return Retired
	case !k.Activated.IsZero():
		return Active
	}
	return Standby
}

// Published reports whether the key verifies tokens at a time.
func (k Key) Published(now time.Time) bool {
	s := k.State(now)
	return s == Standby || s == Active || s == Retired
}

// Keys are all keys of the mall, at one moment.
type Keys struct {
	Now  time.Time
	List []Key
}

func (k *Keys) find(s State) *Key {
	for i := range k.List {
		if k.List[i].State(k.Now) == s {
			return &k.List[i]
		}
	}
	return nil
}

func (k *Keys) create() *Key {
	seed, id := make([]byte, ed25519.SeedSize), make([]byte, 6)
	_, _ = rand.Read(seed) // never fails
	_, _ = rand.Read(id)
	k.List = append(k.List, Key{Kid: "k" + hex.EncodeToString(id), Seed: seed, Created: k.Now})
	return &k.List[len(k.List)-1]
}

// Complete makes sure that there is an active key and a standby key.
func (k *Keys) Complete() {
	if k.find(Active) == nil {
		next := k.find(Standby)
		if next == nil {
			next = k.create()
		}
		next.Activated = k.Now
	}
	if k.find(Standby) == nil {
		k.create()
	}
}

// Import adds a key from before keys lived in the database; it becomes the active one if there is none.
func (k *Keys) Import(kid string, seed []byte, active bool) {
	for _, known := range k.List {
		if known.Kid == kid {
			return
		}
	}
	key := Key{Kid: kid, Seed: seed, Created: k.Now, Activated: k.Now}
	if !active || k.find(Active) != nil {
		key.Retired = k.Now
	}
	k.List = append(k.List, key)
}

// Rotate makes the standby key the active one. It refuses (key_too_new) while some verifier may not have fetched it
// yet.
func (k *Keys) Rotate() error {
	k.Complete()
	next := k.find(Standby)
	if wait := next.Created.Add(Lead).Sub(k.Now); wait > 0 {
		return problem.New(problem.Conflict, "key_too_new",
			"The next key was published a moment ago: wait until everybody has it.").After(wait)
	}
	k.find(Active).Retired = k.Now
	next.Activated = k.Now
	k.Complete()
	return nil
}

// Revoke rejects a key and every token it has signed. If it was active, the standby key signs at once.
func (k *Keys) Revoke(kid string) error {
	for i := range k.List {
		if k.List[i].Kid == kid {
			if k.List[i].Revoked.IsZero() {
				k.List[i].Revoked = k.Now
			}
			k.Complete()
			return nil
		}
	}
	return problem.NewNotFound("key")
}

// Due reports whether the active key has signed for longer than it should.
func (k *Keys) Due(after time.Duration) bool {
	active, next := k.find(Active), k.find(Standby)
	return active != nil && next != nil && k.Now.Sub(active.Activated) > after && k.Now.Sub(next.Created) > Lead
}

// Forget drops keys that have had no effect for a long time.
func (k *Keys) forgettable(key Key) bool {
	over := key.Retired
	if !key.Revoked.IsZero() {
		over = key.Revoked
	}
	return !over.IsZero() && k.Now.Sub(over) > 90*24*time.Hour
}

// Kept returns the keys that Forget keeps.
func (k *Keys) Kept() (kept []Key, gone []string) {
	for _, key := range k.List {
		if k.forgettable(key) {
			gone = append(gone, key.Kid)
		} else {
			kept = append(kept, key)
		}
	}
	return kept, gone
}
