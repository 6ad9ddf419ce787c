//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// The last admin cannot be removed, and the secret that made the first admin cannot make another.
func TestTheLastAdminCannotBeRemoved(t *testing.T) {
	var boss apiclient.User
	if err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/me", nil, &boss); err != nil {
		t.Fatal(err)
	}
	me := newMember(t)
	for _, c := range []struct {
		who          *apiclient.Client
		method, path string
		body         any
		status       int
		code         string
	}{
		{admin, http.MethodPut, "/v1/admin/users/" + boss.ID + "/roles", map[string]any{"roles": []string{"customer"}}, 409,
			"last_admin"},
		{admin, http.MethodPut, "/v1/admin/users/" + boss.ID + "/ban", map[string]string{"reason": "tests"}, 409,
			"last_admin"},
		{me.Client, http.MethodPost, "/v1/me/admin", map[string]string{"secret": "a guess"}, 403, "wrong_secret"},
		{me.Client, http.MethodPost, "/v1/me/admin", map[string]string{"secret": firstAdminSecret()}, 409, "admin_exists"},
	} {
		if a := do(t, c.who, c.method, c.path, c.body); a.Status != c.status || a.Code() != c.code {
			t.Errorf("%s %s: %s, want %d %s", c.method, c.path, a, c.status, c.code)
		}
	}
	if err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/admin/users", nil, nil); err != nil {
		t.Error(err)
	}
}
