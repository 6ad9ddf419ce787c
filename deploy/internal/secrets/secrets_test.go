package secrets

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestExistingSecretsAreNotChanged(t *testing.T) {
	home := t.TempDir()
	first, own, err := Load(home, []string{"order"})
	if err != nil {
		t.Fatal(err)
	}
	first.SetDatabase("order", "127.0.0.1:1", "sslmode=disable")
	if err := Save(home, first); err != nil {
		t.Fatal(err)
	}
	second, ownAgain, err := Load(home, []string{"order", "cart"})
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range first {
		for key, value := range keys {
			if second[name][key] != value {
				t.Errorf("%s/%s changed on the second start", name, key)
			}
		}
	}
	if own.DaprTokens["order"] != ownAgain.DaprTokens["order"] || own.PostgresPassword != ownAgain.PostgresPassword {
		t.Error("tokens or passwords changed on the second start")
	}
	if ownAgain.DaprTokens["cart"] == "" || ownAgain.DaprTokens["cart"] == ownAgain.AppTokens["cart"] {
		t.Error("a new app has no tokens of its own")
	}
}

// Every pair of caller and callee has its own key, which only these two services know.
func TestEachPairHasAKey(t *testing.T) {
	apps := []string{"api-gateway", "cart", "order"}
	s, _, err := Load(t.TempDir(), apps)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, caller := range apps {
		for _, callee := range apps {
			key := s[caller+"-peers"][callee]
			if caller == callee {
				continue
			}
			if key == "" || seen[key] || s[callee+"-callers"][caller] != key {
				t.Errorf("%s calls %s: key %q, there %q", caller, callee, key, s[callee+"-callers"][caller])
			}
			seen[key] = true
		}
	}
}

func TestSecretsHaveTheRightFormAndFileMode(t *testing.T) {
	home := t.TempDir()
	s, _, err := Load(home, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := s[nameSigning]
	seed, err := base64.StdEncoding.DecodeString(keys[keys["active"]])
	if err != nil || len(seed) != 32 {
		t.Errorf("signing key: %d bytes (%v), want a seed of 32", len(seed), err)
	}
	for _, file := range []string{"secrets.json", "runner.json"} {
		info, err := os.Stat(filepath.Join(home, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600", file, info.Mode().Perm())
		}
	}
	if got := fmt.Sprint(s); got != fmt.Sprintf("%d secrets ***", len(s)) {
		t.Errorf("printed: %s", got)
	}
}

// During a rotation both the old and the new value are in the store, and a database keeps its address.
func TestRotationKeepsTheOldValueUntilTheNewIsInUse(t *testing.T) {
	s, _, err := Load(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDatabase("order", "127.0.0.1:5", "sslmode=disable")
	old, oldKey := s.DSN("order"), s["refresh-hmac"]["key"]
	next := s.NextDSN("order")
	// the earlier rotation was interrupted, and the database may already have the new password
	if again := s.NextDSN("order"); again != next {
		t.Errorf("an interrupted rotation is not continued: %q, then %q", next, again)
	}
	if s.DSN("order") != old || s["order-db"]["other_dsn"] == "" {
		t.Errorf("before the change: %v", s["order-db"])
	}
	s.UseNextDSN("order")
	if s.DatabasePassword("order") != next || s["order-db"]["other_dsn"] != "" ||
		s.DSN("order")[len(s.DSN("order"))-15:] != "sslmode=disable" {
		t.Errorf("after it: %v", s["order-db"])
	}
	s.Next("refresh-hmac")
	nextKey := s["refresh-hmac"]["other"]
	if s["refresh-hmac"]["key"] != oldKey {
		t.Error("the next value is used before all services know it")
	}
	s.Swap("refresh-hmac")
	if s["refresh-hmac"]["key"] != nextKey || s["refresh-hmac"]["other"] != oldKey {
		t.Errorf("after the swap: %v", s["refresh-hmac"])
	}
}
