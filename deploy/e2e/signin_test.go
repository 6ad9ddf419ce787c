//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// setting changes settings of the gateway for the rest of one test.
func setting(t *testing.T, values map[string]string) {
	t.Helper()
	before := testSettings()
	mustMall(t, configSet(values)...)
	for key := range values {
		t.Cleanup(func() {
			args := []string{"config", "unset", key}
			if was, ok := before[key]; ok {
				args = []string{"config", "set", key, was}
			}
			if out, err := mall(context.WithoutCancel(t.Context()), args...); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// Attackers guess passwords of an account from many addresses and from the owner's own address. Their guesses are
// limited, and the owner can still sign in: from the address of the sign-up, and from anywhere with a browser that has
// signed in before.
func TestTheOwnerCanSignInDuringAnAttack(t *testing.T) {
	// This is set first: once the limits below are in force, it is, too.
	setting(t, map[string]string{"gateway.trusted_proxies": "127.0.0.0/8"})
	setting(t, map[string]string{"gateway.rate.account": "0.001/5", "gateway.rate.place": "0.001/3"})
	from := func(address string, body map[string]string, headers ...string) apiclient.Answer {
		return do(t, visitor, http.MethodPost, "/v1/sessions", body, append(headers, "X-Forwarded-For", address)...)
	}
	err := eventually(t.Context(), waitFor, func() error { // wait until the settings are in force
		probe := map[string]string{"email": apiclient.Key() + "@mall.local", "password": "x"}
		for i := range 30 {
			if from(fmt.Sprintf("203.0.113.%d", i), probe).Status == http.StatusTooManyRequests {
				return nil
			}
		}
		return fmt.Errorf("thirty wrong passwords were all checked")
	})
	if err != nil {
		t.Fatal(err)
	}
	me := newMember(t)
	right := map[string]string{"email": me.email, "password": apiclient.Password}
	wrong := map[string]string{"email": me.email, "password": "not the password"}
	first := from("198.51.100.7:4711", right)
	if first.Status != http.StatusCreated {
		t.Fatalf("first sign-in: %s", first)
	}
	phone := first.Header.Get("Set-Cookie")
	through := 0
	for i := range 50 {
		if a := from(fmt.Sprintf("192.0.2.%d", i), wrong); a.Status != http.StatusTooManyRequests {
			through++
		} else if a.Header.Get("Retry-After") == "" {
			t.Errorf("429 without Retry-After: %s", a)
		}
	}
	if through > 6 { // five, and what the bucket refilled meanwhile
		t.Errorf("%d of 50 guesses were checked", through)
	}
	for i := range 15 {
		if a := from("198.51.100.7:4711", right); a.Status != http.StatusCreated {
			t.Fatalf("the owner from the address of the sign-up, attempt %d: %s", i, a)
		}
	}
	for range 10 { // the attacker has the same address as the owner
		from("198.51.100.7", wrong)
	}
	if a := from("198.51.100.7", wrong); a.Status != http.StatusTooManyRequests {
		t.Errorf("guessing from the owner's address: %s, want 429", a)
	}
	for _, address := range []string{"198.51.100.7", "192.0.2.200"} {
		if a := from(address, right, "Cookie", phone); a.Status != http.StatusCreated {
			t.Errorf("the owner with a known browser, from %s: %s", address, a)
		}
	}
	if a := from("192.0.2.201", wrong, "Cookie",
		"mall_device=AAAAAAAAAAAAAAAAAAAAAAAA"); a.Status != http.StatusTooManyRequests {
		t.Errorf("with a made-up device: %s, want 429", a)
	}
}
