//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"sync"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// browser returns a visitor that keeps cookies.
func browser(t *testing.T) *apiclient.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *visitor
	c.HTTP = &http.Client{Jar: jar, Transport: visitor.HTTP.Transport, Timeout: visitor.HTTP.Timeout}
	return &c
}

const refreshPath = "/v1/sessions/refresh"

// A browser signs in, reloads, refreshes from two tabs at the same moment and signs out, and its scripts never see the
// refresh token.
func TestABrowserKeepsItsRefreshTokenInACookie(t *testing.T) {
	t.Parallel()
	me := newMember(t)
	page := browser(t)
	cookie := []string{"X-Mall-Session", "cookie", "Sec-Fetch-Site", "same-origin"}
	session := func(status int, path string, body any) apiclient.Session {
		var s apiclient.Session
		if err := page.Want(t.Context(), status, http.MethodPost, path, body, &s, cookie...); err != nil {
			t.Error(err)
		}
		if s.RefreshToken != "" || s.AccessToken == "" {
			t.Errorf("%s answers the refresh token %q and the access token %q", path, s.RefreshToken, s.AccessToken)
		}
		return s
	}
	session(http.StatusCreated, "/v1/sessions", map[string]string{"email": me.email, "password": apiclient.Password})
	var last apiclient.Session
	for range 5 {
		var tabs sync.WaitGroup
		for range 2 {
			tabs.Go(func() { session(http.StatusOK, refreshPath, struct{}{}) })
		}
		tabs.Wait()
		last = session(http.StatusOK, refreshPath, struct{}{})
	}
	signedIn := page.As(last.AccessToken)
	if err := signedIn.Want(t.Context(), http.StatusNoContent, http.MethodDelete, "/v1/sessions/current", nil, nil,
		cookie...); err != nil {
		t.Fatal(err)
	}
	if a := do(t, page, http.MethodPost, refreshPath, struct{}{}, cookie...); a.Code() != "invalid_refresh_token" {
		t.Errorf("after signing out: %s", a)
	}
}

func TestAPageOfAnotherOriginCannotUseTheCookie(t *testing.T) {
	t.Parallel()
	me := newMember(t)
	page := browser(t)
	page.Token = me.Token
	evil := []string{"X-Mall-Session", "cookie", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
	for _, c := range []struct {
		method, path string
		body         any
	}{{http.MethodPost, "/v1/sessions", map[string]string{"email": me.email, "password": apiclient.Password}},
		{http.MethodPost, refreshPath, struct{}{}}, {http.MethodDelete, "/v1/sessions/current", nil}} {
		a := do(t, page, c.method, c.path, c.body, evil...)
		if a.Code() != "cross_origin" || len(a.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s %s: %s with cookies %v", c.method, c.path, a, a.Header.Values("Set-Cookie"))
		}
	}
}

// Pages of an allowed origin may call as soon as the setting is read, and others never.
func TestAnAllowedOriginMayCall(t *testing.T) {
	const shop = "https://shop.example"
	allowed := func(origin string) string {
		a := do(t, visitor, http.MethodGet, "/v1/currency", nil, "Origin", origin)
		got, vary := a.Header.Get("Access-Control-Allow-Origin"), a.Header.Values("Vary")
		if got != "" && !slices.Contains(vary, "Origin") {
			t.Errorf("the answer for %s does not vary: %v", got, vary)
		}
		return got
	}
	if got := allowed(shop); got != "" {
		t.Errorf("%q may call before it is allowed", got)
	}
	mustMall(t, "config", "set", "gateway.allowed_origins", shop)
	defer mustMall(t, "config", "set", "gateway.allowed_origins", "")
	if err := eventually(t.Context(), waitFor, func() error {
		if got := allowed(shop); got != shop {
			return fmt.Errorf("%q may call: %w", got, errNotYet)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := allowed(shop + ".evil.example"); got != "" {
		t.Errorf("%q may call", got)
	}
	a := raw(t, http.MethodOptions, visitor.Base+"/v1/checkout", nil, map[string]string{"Origin": shop,
		"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"})
	sent := a.Header.Get("Access-Control-Allow-Headers")
	if a.Status != http.StatusNoContent || !strings.Contains(sent, "Idempotency-Key") {
		t.Errorf("preflight: %s %v", a, a.Header)
	}
}
