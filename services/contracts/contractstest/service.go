package contractstest

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/bulk"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/server"
)

// UserID is the user of the token in checked calls.
const UserID = "42"

var signingKey = ed25519.NewKeyFromSeed([]byte("a seed that is only for contracts"[:ed25519.SeedSize]))

// NewServer makes a service's server that accepts the tokens of CheckService.
func NewServer(service string) *server.Server {
	key := identity.Key{Kty: "OKP", Crv: "Ed25519", Kid: "contract",
		X: base64.RawURLEncoding.EncodeToString(signingKey.Public().(ed25519.PublicKey))}
	v := identity.NewVerifier(func(context.Context) (identity.KeySet,
		error) {
		return identity.KeySet{Keys: []identity.Key{key}}, nil
	})
	return server.New(config.Env{AppID: service, AppAPIToken: "contract"}, slog.New(slog.DiscardHandler), v)
}

// token returns a token for a user, for UserID if user is "".
func token(user string) string {
	if user == "" {
		user = UserID
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	roles := []string{identity.Customer}
	if user == UserID {
		roles = append(roles, identity.Admin)
	}
	now := time.Now()
	text := part(map[string]string{"alg": "EdDSA", "kid": "contract",
		"typ": "JWT"}) + "." + part(map[string]any{"iss": identity.Issuer, "aud": identity.Audience,
		"sub": user, "iat": now.Unix(), "iat_ms": now.UnixMilli(), "exp": now.Add(time.Minute).Unix(),
		"roles": roles, "sid": "s1", "typ": identity.AccessType})
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(signingKey, []byte(text)))
}

// Authorize makes a request to a server of NewServer come from an app (caller), with the token of a user (UserID for
// "").
func Authorize(req *http.Request, caller, user string) {
	req.Header.Set("dapr-api-token", "contract")
	req.Header.Set("dapr-caller-app-id", caller)
	req.Header.Set("Authorization", "Bearer "+token(user))
}

// CheckService checks that a service keeps its contracts: it has exactly the internal routes of the catalogue for
// exactly their callers, accepts the examples, refuses unknown fields, gives every listed refusal (refusals provoke
// them), answers what the schemas describe, and handles exactly the events for which it is listed. The server must come
// from NewServer, and the service's data must contain what the examples name. in is nil for a service that handles no
// events.
func CheckService(t *testing.T, service string, s *server.Server, in *inbox.Inbox, refusals ...Refusal) {
	t.Helper()
	routes := RoutesOf(service)
	var want, got []string
	for _, r := range routes {
		want = append(want, r.Method+" "+r.Path)
	}
	handled := map[string]string{}
	for _, e := range Events() {
		if e.HandledBy(service) {
			handled[e.Type] = e.Producer
		}
	}
	if len(handled) > 0 {
		want = append(want, "POST "+server.EventsPath(""))
	}
	for _, r := range s.Routes() {
		if strings.HasPrefix(r.Path, "/internal/") || strings.HasPrefix(r.Path, "/events") ||
			strings.HasPrefix(r.Path, "/.well-known/") {
			got = append(got, r.Method+" "+r.Path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s has the internal routes\n\t%s\nwant those of the catalogue\n\t%s", service, strings.Join(got, "\n\t"),
			strings.Join(want, "\n\t"))
	}
	if in != nil {
		if got := in.Handled(); fmt.Sprint(got) != fmt.Sprint(handled) {
			t.Errorf("%s handles %v, want %v as in the catalogue (type: producer)", service, got, handled)
		}
	} else if len(handled) > 0 {
		t.Errorf("the catalogue says that %s handles %v", service, handled)
	}
	for _, r := range routes {
		check(t, s, r)
	}
	checkRefusals(t, s, routes, refusals)
}

func check(t *testing.T, s *server.Server, r Route) {
	t.Helper()
	name := r.Method + " " + r.Path
	body := ""
	if r.In != nil {
		text, err := json.Marshal(r.In)
		if err != nil {
			t.Fatal(err)
		}
		body = string(text)
	}
	callers := []string{"", "stranger"}
	for _, s := range contracts.Services {
		callers = append(callers, s.Name)
	}
	for _, app := range callers {
		if allowed := r.Callers == nil || slices.Contains(r.Callers, app); allowed {
			continue
		}
		if status, answer := ask(s, r, app, token(""), body); status != http.StatusForbidden ||
			code(answer) != "caller_not_allowed" {
			t.Errorf("%s from %q: %d %s, want 403 caller_not_allowed", name, app, status, answer)
		}
	}
	caller := "anyone"
	if r.Callers != nil {
		caller = r.Callers[0]
	}
	if r.User && !r.UserOptional {
		if status, answer := ask(s, r, caller, "", body); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %s, want 401", name, status, answer)
		}
	}
	checkShared(t, s, r, caller, body)
	for _, caller := range append([]string{caller}, r.Callers...) {
		status, answer := ask(s, r, caller, token(""), body)
		if status != r.Status {
			t.Errorf("%s from %s: %d %s, want %d", name, caller, status, answer, r.Status)
			return
		}
		if r.Out == nil {
			if len(answer) > 0 {
				t.Errorf("%s: answered %s, want nothing", name, answer)
			}
			continue
		}
		Valid(t, "answer of "+name, answer, Schema(t, Package(r.Service)+"/openapi.json",
			"#/components/schemas/"+SchemaName(r.Out)), r.Out)
	}
	if r.In != nil {
		if status, answer := ask(s, r, caller, token(""),
			`{"no_such_field":1,`+body[1:]); status != http.StatusUnprocessableEntity {
			t.Errorf("%s with an unknown field: %d %s, want 422", name, status, answer)
		}
	}
}

// checkShared makes the call in an invocation that has room for several.
func checkShared(t *testing.T, s *server.Server, r Route, caller, body string) {
	t.Helper()
	if !r.Shared {
		return
	}
	call := httptest.NewRequest(r.Method, r.url(), strings.NewReader(body))
	call.Header.Set("Authorization", "Bearer "+token(""))
	var invocation strings.Builder
	if err := call.Write(&invocation); err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, bulk.Path, strings.NewReader(invocation.String()))
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, asCaller(req, caller))
	if want := fmt.Sprintf("HTTP/1.1 %d ", r.Status); !strings.HasPrefix(rec.Body.String(), want) {
		t.Errorf("%s %s in bulk: %d %s, want %q", r.Method, r.Path, rec.Code, rec.Body, want)
	}
}

// url is the route's path with an example of each parameter.
func (r Route) url() string {
	q := url.Values{}
	for _, p := range r.Query {
		q.Set(p.Name, p.Example)
	}
	return (&url.URL{Path: r.Path, RawQuery: q.Encode()}).String()
}

// asCaller adds what the sidecar of a service adds to the call of an app, "" for no app.
func asCaller(req *http.Request, caller string) *http.Request {
	req.Header.Set("dapr-api-token", "contract")
	if caller != "" {
		req.Header.Set("dapr-caller-app-id", caller)
	}
	return req
}

func ask(s *server.Server, r Route, caller, token, body string) (int, []byte) {
	req := asCaller(httptest.NewRequest(r.Method, r.url(), strings.NewReader(body)), caller)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, req)
	return rec.Code, rec.Body.Bytes()
}

func code(body []byte) string {
	var d problem.Document
	_ = json.Unmarshal(body, &d) // "" for an answer that is no problem document
	return d.Code
}
