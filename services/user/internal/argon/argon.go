// Package argon hashes passwords with argon2id (RFC 9106), a bounded number at a time: each hash takes 19 MiB, and many
// sign-ins at once must not exhaust the machine.
package argon

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"daprmall.dev/services/kit/problem"
)

// The parameters that OWASP's password storage cheat sheet names first for argon2id.
const (
	memory  = 19 * 1024 // KiB
	rounds  = 2
	threads = 1
	keyLen  = 32
	saltLen = 16
	// waitFor bounds the queue: a request that would wait longer is refused.
	waitFor = 3 * time.Second
)

// Hasher is user.Hasher.
type Hasher struct {
	slots chan struct{}
	dummy string
}

// New makes a hasher with one slot per processor.
func New() *Hasher {
	h := &Hasher{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))}
	h.dummy = encode(make([]byte, saltLen), argon2.IDKey([]byte("nobody's password"), make([]byte, saltLen), rounds,
		memory, threads, keyLen))
	return h
}

// Memory is what as many hashes as run at a time allocate, and as many before them, in bytes.
func Memory() int64 { return 2 * int64(runtime.GOMAXPROCS(0)) * memory << 10 }

func (h *Hasher) enter(ctx context.Context) error {
	timer := time.NewTimer(waitFor)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return problem.New(problem.Unavailable, "overloaded", "Too many people sign in right now.").After(2 * time.Second)
	}
}

// prepared is a password in the one form of all its spellings: composed accents, plain spaces, width as typed (RFC
// 8265, profile OpaqueString). What the profile does not allow stays as it is, but for composing.
func prepared(password string) string {
	if s, err := precis.OpaqueString.String(password); err == nil {
		return s
	}
	return norm.NFC.String(password)
}

// Hash returns the hash in PHC string format, of the password as RFC 8265 prepares it.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails
	return encode(salt, argon2.IDKey([]byte(prepared(password)), salt, rounds, memory, threads, keyLen)), nil
}

// Verify compares a password in all its spellings, in constant time; against "" it takes as long and returns false.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	m, t, p, salt, key, err := decode(hash)
	if err != nil {
		return false, err
	}
	match := func(password string) bool {
		got := argon2.IDKey([]byte(password), salt, t, m, p, uint32(len(key)))
		return subtle.ConstantTimeCompare(got, key) == 1
	}
	one := prepared(password)
	// Older hashes are of the password as it was typed.
	return (match(one) || one != password && match(password)) && known, nil
}

var b64 = base64.RawStdEncoding

func encode(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, rounds, threads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decode(hash string) (m, t uint32, p uint8, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return 0, 0, 0, nil, nil, fmt.Errorf("stored password hash is not argon2id")
	}
	if _, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &p); err != nil {
		return 0, 0, 0, nil, nil, fmt.Errorf("stored password hash: %w", err)
	}
	if salt, err = b64.DecodeString(parts[4]); err != nil {
		return 0, 0, 0, nil, nil, fmt.Errorf("stored password hash: %w", err)
	}
	if key, err = b64.DecodeString(parts[5]); err != nil || len(key) == 0 {
		return 0, 0, 0, nil, nil, fmt.Errorf("stored password hash has no key: %w", err)
	}
	return m, t, p, salt, key, nil
}
