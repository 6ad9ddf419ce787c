//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// defaultPolicy reads the gateway's default policy from its source.
func defaultPolicy(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root(), "api-gateway", "internal", "access", "policy.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(source), "const DefaultPolicy = `")
	text, _, ended := strings.Cut(text, "`")
	if !found || !ended {
		t.Fatal("policy.go has no DefaultPolicy")
	}
	return text
}

// changedPolicy writes a file with the default policy in which one line is replaced.
func changedPolicy(t *testing.T, line, by string) (file string) {
	t.Helper()
	text := defaultPolicy(t)
	if strings.Count(text, line) != 1 {
		t.Fatalf("the default policy does not have exactly one %q", line)
	}
	file = filepath.Join(t.TempDir(), "policy.csv")
	if err := os.WriteFile(file, []byte(strings.Replace(text, line, by, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A policy can take the rights of a customer away from sellers: every route for customers then answers 403 forbidden.
func TestAPolicyMayForbidEveryRoute(t *testing.T) {
	mine, me := newTargets(t)
	roles := map[string]any{"roles": []string{"seller"}}
	err := admin.Want(t.Context(), http.StatusOK, http.MethodPut, "/v1/admin/users/"+me.id+"/roles", roles, nil)
	if err != nil {
		t.Fatal(err)
	}
	me = signIn(t, me.email)
	cart := func(ctx context.Context, want int) error {
		a, err := me.Do(ctx, http.MethodGet, "/v1/cart", nil)
		if err == nil && a.Status != want {
			err = fmt.Errorf("the cart of a seller: %s, want %d", a, want)
		}
		return err
	}
	t.Cleanup(func() { // after the default policy was restored
		ctx := context.WithoutCancel(t.Context())
		if err := eventually(ctx, waitFor, func() error { return cart(ctx, http.StatusOK) }); err != nil {
			t.Error(err)
		}
	})
	setting(t, map[string]string{"gateway.policy": "@" + changedPolicy(t, "g, seller, customer", "g, seller, anonymous")})
	forbidden := func() error { return cart(t.Context(), http.StatusForbidden) }
	if err := eventually(t.Context(), waitFor, forbidden); err != nil {
		t.Fatal(err)
	}
	for _, op := range operations(t) {
		if op.Access != "customer" {
			continue
		}
		a := do(t, me.Client, op.Method, mine.path(op, me), jsonOf(mine.body(op)), headers(op)...)
		if a.Status != http.StatusForbidden || a.Code() != "forbidden" {
			t.Errorf("%s: %s, want 403 forbidden", op.ID, a)
		}
	}
}
