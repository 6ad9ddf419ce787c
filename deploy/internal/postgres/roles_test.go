package postgres_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// A managed server gives nobody a superuser: a role that may create roles and databases is enough, also when it finds
// its roles again, with new passwords.
func TestARoleThatMayCreateRolesIsEnough(t *testing.T) {
	db := postgrestest.Open(t)
	suffix := strings.ToLower(t.Name()) + fmt.Sprint(os.Getpid())
	admin, name := "admin"+suffix, "role"+suffix
	exec := func(sql string) {
		t.Helper()
		if err := db.Exec(sql).Error; err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE ROLE " + admin + " LOGIN CREATEROLE CREATEDB PASSWORD 'first'")
	t.Cleanup(func() {
		exec("DROP DATABASE IF EXISTS " + name)
		exec("DROP ROLE IF EXISTS " + name)
		exec("DROP ROLE " + admin)
	})
	as := func(role, password, database string) string {
		u, err := url.Parse(os.Getenv("MALL_TEST_POSTGRES_URL"))
		if err != nil {
			t.Fatal(err)
		}
		u.User, u.Path = url.UserPassword(role, password), "/"+database
		return u.String()
	}
	for _, password := range []string{"one", "two"} {
		if err := postgres.Databases(t.Context(), as(admin, "first", "postgres"),
			map[string]string{name: password}); err != nil {
			t.Fatalf("with the password %s: %v", password, err)
		}
		if err := postgres.Wait(t.Context(), as(name, password, name)); err != nil {
			t.Errorf("the role cannot sign in with the password %s: %v", password, err)
		}
	}
}
