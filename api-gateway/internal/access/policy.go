package access

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
)

// The roles that a policy may name. Admins cannot assign two of them: anonymous is a caller without a token, and banned
// is the only role of a banned user.
const (
	Anonymous = "anonymous"
	Banned    = "banned"
	customer  = "customer"
	seller    = "seller"
	admin     = "admin"
)

var roles = []string{Anonymous, customer, seller, admin, Banned}

// casbinModel is what Casbin calls model.conf: a role, or one it inherits, may do what a rule allows; everything else
// is refused. The paths are the templates of openapi.yaml (/v1/orders/{id}), not the requested ones, so a rule never
// matches an id. Its letters: r is a request, p a rule, g an inherited role, e the effect, m the condition.
const casbinModel = `
[request_definition]
r = role, path, method
[policy_definition]
p = role, path, method
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.role, p.role) && regexMatchAll(r.path, p.path) && regexMatchAll(r.method, p.method)
`

// DefaultPolicy applies while the configuration store has none under gateway.policy.
const DefaultPolicy = `
p, anonymous, /v1/users, POST
p, anonymous, /v1/sessions(/refresh)?, POST
p, anonymous, /v1/password-resets(/confirm)?, POST
p, anonymous, /v1/email-verifications/confirm, POST
p, anonymous, /\.well-known/jwks\.json, GET
p, anonymous, /v1/products(/{id})?, GET
p, anonymous, /v1/pictures/{name}, GET
p, anonymous, /v1/categories, GET
p, customer, /v1/sessions, GET
p, customer, /v1/sessions/(current|{id}), DELETE
p, customer, /v1/email-verifications, POST
p, customer, /v1/me, GET|DELETE
p, customer, /v1/me/password, PUT
p, customer, /v1/me/admin, POST
p, customer, /v1/cart(/items(/{product_id})?)?, GET|POST|PUT|DELETE
p, customer, /v1/addresses(/{id})?, GET|POST|PUT|DELETE
p, anonymous, /v1/countries/{code}, GET
p, anonymous, /v1/currency, GET
p, customer, /v1/checkout(/quote)?, POST
p, customer, /v1/orders(/{id}(/events)?)?, GET
p, customer, /v1/orders/{id}/payments, GET
p, customer, /v1/orders/{id}/address, PUT
p, customer, /v1/orders/{id}/cancel, POST
p, customer, /v1/payments(/{id}/cancel)?, POST
p, customer, /v1/payments/{id}, GET
p, customer, /v1/sandbox/payments/{id}/confirm, POST
p, anonymous, /v1/webhooks/stripe, POST
p, seller, /v1/products, POST
p, seller, /v1/products/by-sku/{sku}, GET|PUT
p, seller, /v1/products/{id}/pictures, POST
p, admin, /v1/products/{id}/pictures, POST
p, seller, /v1/products/import, POST
p, seller, /v1/products/imports/{id}, GET
p, seller, /v1/products/{id}, PATCH|DELETE
p, seller, /v1/products/{id}/stock, GET|POST
p, seller, /v1/seller/(orders|products), GET
p, admin, /v1/products/{id}, PATCH|DELETE
p, admin, /v1/products/{id}/stock, GET|POST
p, admin, /v1/admin/products, GET
p, admin, /v1/admin/orders/{id}(/stock)?, GET
p, admin, /v1/admin/holds, GET
p, admin, /v1/admin/holds/{id}/release, POST
p, admin, /v1/admin/(audit|settings/{service}), GET
p, admin, /v1/admin/parked-events/{service}, GET
p, admin, /v1/admin/parked-events/{service}/{event}/(retry|drop), POST
p, admin, /v1/admin/users, GET
p, admin, /v1/admin/users/{id}/(roles|ban), PUT|DELETE
g, customer, anonymous
g, seller, customer
g, admin, customer
`

// RouteKey identifies a public route: a method and a path template of openapi.yaml.
type RouteKey struct{ Method, Path string }

// Policy holds the decision for every role and route. Casbin decides once, when the policy is loaded; a request costs
// two map look-ups.
type Policy struct {
	allowed map[RouteKey][]string
}

// NewPolicy evaluates text for all routes. It rejects a text that cannot be parsed, that names an unknown role or
// method, that forbids everybody to sign in, or that does not reserve the routes of admins for admins.
func NewPolicy(text string, routes []RouteKey) (*Policy, error) {
	enforcer, err := newEnforcer(text)
	if err != nil {
		return nil, err
	}
	p := &Policy{allowed: map[RouteKey][]string{}}
	for _, d := range routes {
		for _, role := range roles {
			ok, err := enforcer.Enforce(role, d.Path, d.Method)
			if err != nil {
				return nil, fmt.Errorf("decide %s %s for %s: %w", d.Method, d.Path, role, err)
			}
			if ok {
				p.allowed[d] = append(p.allowed[d], role)
			}
		}
	}
	return p, p.check(routes)
}

// Allows reports whether a caller with these roles may call a route. A caller without roles is anonymous; of a banned
// one the other roles do not count.
func (p *Policy) Allows(d RouteKey, has []string) bool {
	may := p.allowed[d]
	switch {
	case len(has) == 0:
		return slices.Contains(may, Anonymous)
	case slices.Contains(has, Banned):
		return slices.Contains(may, Banned)
	}
	return slices.ContainsFunc(has, func(role string) bool { return slices.Contains(may, role) })
}

func (p *Policy) check(routes []RouteKey) error {
	for _, d := range routes {
		adminsOnly := strings.HasPrefix(d.Path, "/v1/admin/")
		may := p.allowed[d]
		if d == (RouteKey{"POST", "/v1/sessions"}) && !slices.Contains(may, Anonymous) {
			return errors.New("nobody could sign in")
		}
		if adminsOnly && !slices.Equal(may, []string{admin}) {
			return fmt.Errorf("%s %s is for admins, not for %v", d.Method, d.Path, may)
		}
	}
	return nil
}

func newEnforcer(text string) (*casbin.Enforcer, error) {
	m, err := model.NewModelFromString(casbinModel)
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("make enforcer: %w", err)
	}
	// Casbin's own regexMatch accepts a partial match ("/v1/cart" would allow "/v1/cart/items") and compiles on every
	// call. A function with the same name would be overridden by it, hence regexMatchAll.
	compiled := map[string]*regexp.Regexp{}
	e.AddFunction("regexMatchAll", func(args ...any) (any, error) {
		return compiled[args[1].(string)].MatchString(args[0].(string)), nil
	})
	rules, err := readRules(text)
	if err != nil {
		return nil, err
	}
	for _, r := range rules { // p, role, path, methods or g, role, inherited role: see checkRule
		if r[0] == "g" {
			_, err = e.AddGroupingPolicy(r[1], r[2])
		} else {
			for _, expr := range r[2:4] {
				if compiled[expr], err = compilePattern(expr); err != nil {
					return nil, err
				}
			}
			_, err = e.AddPolicy(r[1], r[2], r[3])
		}
		if err != nil {
			return nil, fmt.Errorf("add rule %v: %w", r, err)
		}
	}
	return e, nil
}

// compilePattern makes a regular expression that matches the whole text. Braces, as in {id}, are literal: a path
// template contains them.
func compilePattern(expr string) (*regexp.Regexp, error) {
	re, err := regexp.Compile("^(?:" + strings.NewReplacer("{", `\{`, "}", `\}`).Replace(expr) + ")$")
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", expr, err)
	}
	return re, nil
}

// readRules parses Casbin's CSV; a comment begins with #.
func readRules(text string) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord = '#', true, -1
	var rules [][]string
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read policy: %w", err)
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		line, _ := r.FieldPos(0)
		if err := checkRule(fields); err != nil {
			return nil, fmt.Errorf("policy line %d: %w", line, err)
		}
		rules = append(rules, fields)
	}
	return rules, nil
}

// checkRule accepts `p, role, path, methods` and `g, role, inherited role`.
func checkRule(rule []string) error {
	switch {
	case rule[0] == "g" && len(rule) == 3:
		if !slices.Contains(roles, rule[1]) || !slices.Contains(roles, rule[2]) {
			return fmt.Errorf("no such role in %v", rule)
		}
		return nil
	case rule[0] == "p" && len(rule) == 4:
		if !slices.Contains(roles, rule[1]) {
			return fmt.Errorf("no such role: %q", rule[1])
		}
		for m := range strings.SplitSeq(rule[3], "|") {
			if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, m) {
				return fmt.Errorf("no such method: %q", m)
			}
		}
		return nil
	}
	return fmt.Errorf("neither `p, role, path, methods` nor `g, role, inherited role`: %v", rule)
}
