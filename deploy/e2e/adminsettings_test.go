//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"daprmall.dev/services/contracts"
)

// shownSetting is a setting as admins see it.
type shownSetting struct {
	Name, Value, Default, Doc string
	Set                       bool
}

func settingsOf(t *testing.T, service string) []shownSetting {
	t.Helper()
	var list struct{ Items []shownSetting }
	err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/admin/settings/"+service, nil, &list)
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// Admins see what is in force in each service, a change within seconds.
func TestAdminsSeeSettings(t *testing.T) {
	services := []string{"gateway"}
	for _, s := range contracts.Services {
		if !s.Edge {
			services = append(services, s.Name)
		}
	}
	for _, service := range services {
		all := settingsOf(t, service)
		if len(all) == 0 {
			t.Errorf("%s shows no settings", service)
		}
		for _, s := range all {
			if s.Name == "" || s.Doc == "" || !s.Set && s.Value != s.Default {
				t.Errorf("%s: %+v", service, s)
			}
		}
	}
	const name = "product.uploads_per_day"
	shows := func(value string, set bool) {
		t.Helper()
		err := eventually(t.Context(), waitFor, func() error {
			all := settingsOf(t, "product")
			i := slices.IndexFunc(all, func(s shownSetting) bool { return s.Name == name })
			if i < 0 || all[i].Value != value || all[i].Set != set {
				return fmt.Errorf("%v, want %s", all, value)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	mustMall(t, "config", "set", name, "501")
	shows("501", true)
	mustMall(t, "config", "unset", name)
	shows("500", false)
}

// What these routes do not know is refused: a list without its filter is not what was asked for.
func TestAdminsRoutesTakeNoQuery(t *testing.T) {
	for _, path := range []string{"/v1/admin/audit", "/v1/admin/settings/order", "/v1/admin/settings/gateway"} {
		if a := do(t, admin, http.MethodGet, path+"?since=1", nil); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %s", path, a)
		}
	}
}

// An operator's audit leaves its verdict for admins.
func TestAdminsSeeTheVerdictOfAnAudit(t *testing.T) {
	redisDo(t, "DEL", "mall.audit")
	if a := do(t, admin, http.MethodGet, "/v1/admin/audit", nil); a.Status != http.StatusNotFound {
		t.Errorf("without an audit: %s", a)
	}
	before := time.Now().Truncate(time.Second)
	audit(t)
	var verdict struct {
		At       time.Time
		Balanced bool
		Books    []struct{ ID, Verdict string }
	}
	if err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/admin/audit", nil, &verdict); err != nil {
		t.Fatal(err)
	}
	if verdict.At.Before(before) || !verdict.Balanced || len(verdict.Books) != 6 || verdict.Books[0].ID != "C1" {
		t.Errorf("the verdict is %+v, want one since %v", verdict, before)
	}
}
