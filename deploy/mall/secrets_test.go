package main

import (
	"context"
	"errors"
	"os"
	"testing"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/secrets"
)

// Two concurrent rotations would overwrite each other's changes: a service would get a password that its database no
// longer has.
func TestOnlyOneCommandChangesSecretsAtATime(t *testing.T) {
	at := layout.Layout{Home: t.TempDir()}
	if err := os.Mkdir(at.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockSecrets(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockSecrets(at); err == nil {
		t.Error("two commands change secrets at the same time")
	}
	unlock()
	again, err := lockSecrets(at)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again()
}

// A rotation is interrupted while some services use the new value and others the old one. The next rotation must not
// remove the old value while it is in use.
func TestAnInterruptedRotationIsFinishedFirst(t *testing.T) {
	const name = "refresh-hmac"
	store, _, err := secrets.Load(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rotation{at: layout.Layout{Home: t.TempDir()}, store: store, name: name}
	var seen []map[string]string
	calls, cut := 0, 2
	spread := func(context.Context, string) error {
		calls++
		seen = append(seen, map[string]string{"key": store[name]["key"], "other": store[name]["other"]})
		if calls == cut {
			return errors.New("interrupted")
		}
		return nil
	}
	if err := r.hmac(t.Context(), spread); err == nil {
		t.Fatal("the rotation was not interrupted")
	}
	if err := r.hmac(t.Context(), spread); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{seen[0]["key"]: true} // in use by some service when the next values are distributed
	for i, s := range seen {
		for key := range used {
			if key != s["key"] && key != s["other"] {
				t.Fatalf("spread %d: a value in use was removed", i+1)
			}
		}
		if i+1 != cut { // all services have read it
			clear(used)
		}
		used[s["key"]] = true
	}
	if err := r.hmac(t.Context(), spread); err != nil || calls != 7 {
		t.Errorf("a third rotation took %d spreads, %v; want 2", calls-5, err)
	}
}
