package argon

import (
	"strings"
	"testing"
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
