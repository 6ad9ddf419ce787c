package argon

import (
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
)

func TestOnlyTheRightPasswordMatches(t *testing.T) {
	h := New()
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("hash %q, %v", hash, err)
	}
	again, _ := h.Hash(t.Context(), "correct horse")
	if again == hash {
		t.Error("two hashes of one password are equal: no salt")
	}
	for _, tt := range []struct {
		hash, password string
		want           bool
	}{{hash, "correct horse", true}, {hash, "Correct horse", false}, {hash, "", false}, {"", "nobody's password", false}} {
		if got, err := h.Verify(t.Context(), tt.hash, tt.password); err != nil || got != tt.want {
			t.Errorf("verify %q: %v, %v; want %v", tt.password, got, err, tt.want)
		}
	}
	if _, err := h.Verify(t.Context(), "md5:abc", "x"); err == nil {
		t.Error("a hash of another format gave no error")
	}
}

// Keyboards type one password in several spellings.
func TestAPasswordHasOneForm(t *testing.T) {
	h := New()
	const composed, decomposed = "caf\u00e9 am See", "cafe\u0301 am\u00a0See"
	for _, hashed := range []string{composed, decomposed} {
		hash, err := h.Hash(t.Context(), hashed)
		if err != nil {
			t.Fatal(err)
		}
		for _, typed := range []string{composed, decomposed} {
			if ok, err := h.Verify(t.Context(), hash, typed); err != nil || !ok {
				t.Errorf("%q is not the password %q: %v", typed, hashed, err)
			}
		}
		for _, other := range []string{"cafe am See", "CAF\u00c9 am See", "ｃaf\u00e9 am See"} {
			if ok, _ := h.Verify(t.Context(), hash, other); ok {
				t.Errorf("%q is taken for %q", other, hashed)
			}
		}
	}
	// A hash from before passwords were prepared.
	salt := make([]byte, saltLen)
	old := encode(salt, argon2.IDKey([]byte(decomposed), salt, rounds, memory, threads, keyLen))
	if ok, err := h.Verify(t.Context(), old, decomposed); err != nil || !ok {
		t.Errorf("an older hash does not match its password: %v", err)
	}
}

// What a sign-in costs in processor time (docs/kubernetes.md).
func BenchmarkHash(b *testing.B) {
	h := New()
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "correct horse"); err != nil {
			b.Fatal(err)
		}
	}
}
