package access

import (
	"strings"
	"testing"
)

var routes = []RouteKey{{"POST", "/v1/sessions"}, {"GET", "/v1/cart"}, {"GET", "/v1/cart/items"},
	{"GET", "/v1/admin/users"}}

const small = `
p, anonymous, /v1/sessions, POST
p, customer, /v1/cart, GET
p, admin, /v1/admin/users, GET
g, admin, customer
`

func TestPatternsMatchWholePathsAndMethods(t *testing.T) {
	p, err := NewPolicy(small, routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		route RouteKey
		role  string
		want  bool
	}{
		{routes[1], "customer", true},
		{routes[1], "admin", true}, // roles inherit
		{routes[1], "", false},
		{routes[2], "customer", false}, // "/v1/cart" matches only a part of it
		{routes[3], "admin", true},
		{routes[3], "customer", false},
		{RouteKey{"GET", "/v1/unknown"}, "admin", false},
	} {
		var has []string
		if test.role != "" {
			has = []string{test.role}
		}
		if got := p.Allows(test.route, has); got != test.want {
			t.Errorf("%v as %q: allowed %v, want %v", test.route, test.role, got, test.want)
		}
	}
}

func TestInvalidPoliciesAreRejected(t *testing.T) {
	bad := map[string]string{
		"empty":                   "",
		"not CSV":                 small + `p, "x`,
		"too few fields":          small + "p, customer, /v1/cart",
		"unknown kind":            small + "q, customer, /v1/cart, GET",
		"unknown role":            small + "p, root, /v1/cart, GET",
		"unknown parent role":     small + "g, root, customer",
		"unknown method":          small + "p, customer, /v1/cart, BREW",
		"bad pattern":             small + "p, customer, /v1/(cart, GET",
		"visitors cannot sign in": strings.Replace(small, "/v1/sessions", "/v1/session", 1),
		"customers are admins":    small + "p, customer, /v1/.*, GET",
		"everybody is an admin":   small + "g, customer, admin",
		"no admin is left":        strings.Replace(small, "p, admin", "p, customer", 1),
	}
	for name, text := range bad {
		if _, err := NewPolicy(text, routes); err == nil {
			t.Errorf("%s: accepted, want an error", name)
		}
	}
	if _, err := NewPolicy(small+"# a comment\n\n", routes); err != nil {
		t.Errorf("comment: %v", err)
	}
}

func TestBannedOverridesEveryOtherRole(t *testing.T) {
	p, err := NewPolicy(small, routes)
	if err != nil {
		t.Fatal(err)
	}
	if p.Allows(routes[1], []string{"customer", "banned"}) {
		t.Error("a banned customer may see the cart")
	}
}
