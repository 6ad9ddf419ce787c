//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// activeKey reads from the runner's list which key signs.
func activeKey(t *testing.T) string {
	t.Helper()
	for line := range strings.SplitSeq(mustMall(t, "keys", "list"), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "active" {
			return f[0]
		}
	}
	t.Fatal("no key is active")
	return ""
}

// The signing key is rotated under load, without a restart: no request is refused, and new tokens are signed with the
// new key. Then that key is revoked as stolen: its tokens are void within two seconds, tokens of the other key stay
// valid, and sessions continue.
func TestKeyRotationRefusesNoRequest(t *testing.T) {
	me, before := newMember(t), activeKey(t)
	var refused atomic.Int64
	var load sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	shopping := func(c *apiclient.Client) {
		for ctx.Err() == nil {
			// four services, each with its own copy of the keys
			for _, path := range []string{"/v1/me", "/v1/cart", "/v1/orders", "/v1/addresses"} {
				if a, err := c.Do(ctx, http.MethodGet, path, nil); err == nil && a.Status != http.StatusOK {
					refused.Add(1)
					t.Logf("%s: %s", path, a)
				}
			}
		}
	}
	load.Go(func() { shopping(me.Client) })
	load.Go(func() { // a client that signs in all the time is the first to have a token of the new key
		for ctx.Err() == nil {
			c, err := visitor.SignIn(ctx, me.email)
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			for _, path := range []string{"/v1/me", "/v1/cart", "/v1/orders"} {
				if a, err := c.Do(ctx, http.MethodGet, path, nil); err == nil && a.Status != http.StatusOK {
					refused.Add(1)
					t.Logf("just signed in: %s: %s", path, a)
				}
			}
		}
	})
	err := eventually(t.Context(), 3*time.Minute, func() error { // all verifiers must know the next key first
		_, err := mall(t.Context(), "keys", "rotate")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	after := activeKey(t)
	thief := newMember(t)
	err = eventually(t.Context(), waitFor, func() error {
		c, err := visitor.SignIn(t.Context(), thief.email)
		if err == nil && part(t, c.Token, 0)["kid"] != after {
			err = errNotYet
		}
		if err == nil {
			thief.Client = c
		}
		return err
	})
	if err != nil || after == before {
		t.Fatalf("key %s after %s, %v", after, before, err)
	}
	stop()
	load.Wait()
	if refused.Load() != 0 {
		t.Errorf("%d requests were refused while the key changed", refused.Load())
	}
	if out := mustMall(t, "keys", "revoke", after); !strings.Contains(out, after+"  revoked") {
		t.Errorf("revoke: %s", out)
	}
	waitUntilVoid(t, thief.Client)
	if a := do(t, me.Client, http.MethodGet, "/v1/me", nil); a.Status != http.StatusOK {
		t.Errorf("a token of the other key: %s", a)
	}
	fresh, err := visitor.SignIn(t.Context(), thief.email)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/me", "/v1/cart", "/v1/orders"} {
		if a := do(t, fresh, http.MethodGet, path, nil); a.Status != http.StatusOK {
			t.Errorf("signed in after the revocation: %s: %s", path, a)
		}
	}
}
