//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// The password of a database and the secret that derives refresh tokens are rotated in a running mall: sessions
// continue, and the old password is no longer accepted.
func TestSecretsAreRotatedWithoutInterruption(t *testing.T) {
	me := newMember(t)
	p := product(t, "Secret tea", 700, 5)
	old := mallUnderTest(t).Databases["cart"]
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
		apiclient.Line{ProductID: p.ID, Quantity: 1}, nil, "Idempotency-Key", "once"); err != nil {
		t.Fatal(err)
	}
	mustMall(t, "secrets", "rotate", "cart-db")
	if err := ping(t, old); err == nil {
		t.Error("the old password is still accepted")
	}
	if err := ping(t, mallUnderTest(t).Databases["cart"]); err != nil {
		t.Errorf("the new password: %v", err)
	}
	err := eventually(t.Context(), waitFor, func() error { // its sidecar has just been restarted
		return me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
			apiclient.Line{ProductID: p.ID, Quantity: 1}, nil, "Idempotency-Key", "once")
	})
	if err != nil {
		t.Error(err)
	}
	mustMall(t, "secrets", "rotate", "refresh-hmac")
	var s apiclient.Session
	err = eventually(t.Context(), waitFor, func() error {
		return visitor.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/sessions/refresh",
			map[string]string{"refresh_token": me.refresh}, &s)
	})
	if err != nil {
		t.Fatal(err)
	}
	issued.Store(s.RefreshToken, true)
	if a := do(t, visitor.As(s.AccessToken), http.MethodGet, "/v1/cart", nil); a.Status != http.StatusOK {
		t.Errorf("with the refreshed token: %s", a)
	}
}
