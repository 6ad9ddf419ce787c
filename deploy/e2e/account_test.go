//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// sessionOf returns the id of the client's own session.
func sessionOf(t *testing.T, c *apiclient.Client) string {
	t.Helper()
	var page struct {
		Items []struct {
			ID      string `json:"id"`
			Current bool   `json:"current"`
		} `json:"items"`
	}
	if err := c.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/sessions", nil, &page); err != nil {
		t.Fatal(err)
	}
	for _, s := range page.Items {
		if s.Current {
			return s.ID
		}
	}
	t.Fatalf("no current session in %+v", page)
	return ""
}

var mailed = regexp.MustCompile(`<code>([^<]+)</code>`)

// mail waits for a mail in the mall's outbox directory and returns the code in it.
func mail(t *testing.T, purpose, to string) string {
	t.Helper()
	var found string
	err := eventually(t.Context(), waitFor, func() error {
		files, err := filepath.Glob(home("mail/" + purpose + "-*.html"))
		if err != nil {
			return err
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if m := mailed.FindSubmatch(text); m != nil && strings.Contains(string(text), to) {
				found = string(m[1])
				return nil
			}
		}
		return fmt.Errorf("no mail for %s (%s) among %d", purpose, to, len(files))
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func signInWith(t *testing.T, email, password string) (apiclient.Session, apiclient.Answer) {
	t.Helper()
	a := do(t, visitor, http.MethodPost, "/v1/sessions", map[string]string{"email": email, "password": password})
	var s apiclient.Session
	if a.Status == http.StatusCreated {
		if err := a.Into(&s); err != nil {
			t.Fatal(err)
		}
	}
	return s, a
}

// The life of an account: its email is verified, its password changed and reset, its sessions are listed and ended, and
// it is deleted.
func TestAnAccountFromSignUpToDeletion(t *testing.T) {
	me := newMember(t)
	post := func(c *apiclient.Client, path string, body any, status int) {
		t.Helper()
		if a := do(t, c, http.MethodPost, path, body); a.Status != status {
			t.Fatalf("%s: %s, want %d", path, a, status)
		}
	}
	// Verify the email.
	post(me.Client, "/v1/email-verifications", nil, http.StatusAccepted)
	post(visitor, "/v1/email-verifications/confirm", map[string]string{"token": mail(t, "verify", me.email)},
		http.StatusNoContent)
	var who struct {
		Verified bool `json:"email_verified"`
	}
	if err := me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/me", nil, &who); err != nil || !who.Verified {
		t.Errorf("verified %v, %v", who, err)
	}
	if a := do(t, me.Client, http.MethodPost, "/v1/email-verifications", nil); a.Code() != "already_verified" {
		t.Errorf("another mail for a verified email: %s", a)
	}

	// Change the password: other sessions end, this one does not.
	other, _ := signInWith(t, me.email, apiclient.Password)
	otherOne := visitor.As(other.AccessToken)
	const changed, reset = "four words and then some", "five words that come by mail"
	if a := do(t, me.Client, http.MethodPut, "/v1/me/password",
		map[string]string{"current_password": "a guess of it", "new_password": changed}); a.Code() != "wrong_password" {
		t.Errorf("a wrong password: %s", a)
	}
	if a := do(t, me.Client, http.MethodPut, "/v1/me/password",
		map[string]string{"current_password": apiclient.Password,
			"new_password": "password12"}); a.Code() != "validation_failed" {
		t.Errorf("a known password: %s", a)
	}
	if a := do(t, me.Client, http.MethodPut, "/v1/me/password",
		map[string]string{"current_password": apiclient.Password,
			"new_password": changed}); a.Status != http.StatusNoContent {
		t.Fatalf("change: %s", a)
	}
	waitUntilVoid(t, otherOne)
	if a := do(t, visitor, http.MethodPost, "/v1/sessions/refresh",
		map[string]string{"refresh_token": other.RefreshToken}); a.Code() != "invalid_refresh_token" {
		t.Errorf("the other device refreshes: %s", a)
	}
	if a := do(t, me.Client, http.MethodGet, "/v1/me", nil); a.Status != http.StatusOK {
		t.Errorf("this device: %s", a)
	}
	if _, a := signInWith(t, me.email, apiclient.Password); a.Code() != "invalid_credentials" {
		t.Errorf("the old password: %s", a)
	}

	// End a session from another one.
	second, a := signInWith(t, me.email, changed)
	if a.Status != http.StatusCreated {
		t.Fatalf("the new password: %s", a)
	}
	secondOne := visitor.As(second.AccessToken)
	if a := do(t, me.Client, http.MethodDelete, "/v1/sessions/"+sessionOf(t, secondOne),
		nil); a.Status != http.StatusNoContent {
		t.Errorf("end a session: %s", a)
	}
	waitUntilVoid(t, secondOne)

	// Reset a forgotten password. The answer must not reveal whether an account exists.
	post(visitor, "/v1/password-resets", map[string]string{"email": newEmail()}, http.StatusAccepted)
	post(visitor, "/v1/password-resets", map[string]string{"email": strings.ToUpper(me.email)}, http.StatusAccepted)
	token := mail(t, "reset", me.email)
	post(visitor, "/v1/password-resets/confirm", map[string]string{"token": token, "password": reset},
		http.StatusNoContent)
	if a := do(t, visitor, http.MethodPost, "/v1/password-resets/confirm",
		map[string]string{"token": token, "password": changed}); a.Code() != "invalid_token" {
		t.Errorf("the code again: %s", a)
	}
	waitUntilVoid(t, me.Client)
	last, a := signInWith(t, me.email, reset)
	if a.Status != http.StatusCreated {
		t.Fatalf("after the reset: %s", a)
	}

	// Delete the account: addresses, cart and name go, the order stays.
	me.Client = visitor.As(last.AccessToken)
	address, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	p := product(t, "Farewell tea", 500, 10)
	bought := order(t, me.Client, address, p.ID, 1)
	if a, err := me.Pay(t.Context(), apiclient.Key(), bought.ID, apiclient.CardGood); err != nil ||
		a.Status != http.StatusCreated {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me.Client, bought.ID, "paid")
	if err := me.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/cart/items",
		apiclient.Line{ProductID: p.ID, Quantity: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if a := do(t, me.Client, http.MethodDelete, "/v1/me",
		map[string]string{"password": "a guess of it"}); a.Code() != "wrong_password" {
		t.Errorf("deleting with a wrong password: %s", a)
	}
	if a := do(t, me.Client, http.MethodDelete, "/v1/me",
		map[string]string{"password": reset}); a.Status != http.StatusNoContent {
		t.Fatalf("delete: %s", a)
	}
	waitUntilVoid(t, me.Client)
	if _, a := signInWith(t, me.email, reset); a.Code() != "invalid_credentials" {
		t.Errorf("signing in to a deleted account: %s", a)
	}
	err = eventually(t.Context(), waitFor, func() error {
		a, err := admin.Do(t.Context(), http.MethodGet, "/v1/orders/"+bought.ID, nil)
		if err == nil && (a.Status != http.StatusOK || strings.Contains(string(a.Body), "Century Avenue") ||
			!strings.Contains(string(a.Body), `"status":"paid"`)) {
			err = fmt.Errorf("the order: %s", a)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	addresses := database(t, "checkout")
	err = eventually(t.Context(), waitFor, func() error {
		left, err := number(t.Context(), addresses, `SELECT (SELECT count(*) FROM addresses WHERE user_id = $1)
			+ (SELECT count(*) FROM all_checkouts WHERE user_id = $1 AND address <> '{}')
			+ (SELECT count(*) FROM idempotency_keys WHERE user_id = $1 AND concat(record, body) LIKE '%Century%')`, me.id)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d addresses are left", left)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	audit(t)
	if _, err := visitor.SignUp(t.Context(), me.email); err != nil {
		t.Errorf("signing up with the email again: %v", err)
	}
}
