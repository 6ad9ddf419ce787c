package main

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"daprmall.dev/api-gateway/internal/access"
	"daprmall.dev/api-gateway/internal/edge"
)

func document(t *testing.T) (libopenapi.Document, *v3.Document) {
	t.Helper()
	doc, err := libopenapi.NewDocument(openAPI)
	if err != nil {
		t.Fatalf("read openapi.yaml: %v", err)
	}
	m, err := doc.BuildV3Model()
	if err != nil {
		t.Fatalf("build the model of openapi.yaml: %v", err)
	}
	return doc, &m.Model
}

func TestOpenAPIIsValid(t *testing.T) {
	doc, _ := document(t)
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatalf("make validator: %v", errs)
	}
	if ok, found := v.ValidateDocument(); !ok {
		for _, e := range found {
			t.Errorf("%s: %s", e.Message, e.Reason)
			for _, s := range e.SchemaValidationErrors {
				t.Errorf("  %s: %s", s.FieldPath, s.Reason)
			}
		}
	}
}

// operations returns "METHOD path" → operation.
func operations(t *testing.T) map[string]*v3.Operation {
	t.Helper()
	_, m := document(t)
	ops := map[string]*v3.Operation{}
	for path, item := range m.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			ops[strings.ToUpper(method)+" "+path] = op
		}
	}
	return ops
}

func extension(op *v3.Operation, name string) string {
	if node := op.Extensions.GetOrZero(name); node != nil {
		return node.Value
	}
	return ""
}

// The table of routes, openapi.yaml and the default policy agree on every route.
func TestRoutesMatchOpenAPIAndTheDefaultPolicy(t *testing.T) {
	ops := operations(t)
	policy, err := access.NewPolicy(access.DefaultPolicy, routeKeys())
	if err != nil {
		t.Fatalf("default policy: %v", err)
	}
	for _, r := range edge.Routes() {
		name := r.Method + " " + r.Path
		op := ops[name]
		if op == nil {
			t.Errorf("%s is a route that is not in openapi.yaml", name)
			continue
		}
		delete(ops, name)
		if got := extension(op, "x-mall-access"); got != string(r.Access) {
			t.Errorf("%s: openapi says x-mall-access %q, the table %q", name, got, r.Access)
		}
		var also []string
		if node := op.Extensions.GetOrZero("x-mall-also"); node != nil {
			for _, n := range node.Content {
				also = append(also, n.Value)
			}
		}
		if !slices.Equal(also, r.Also) {
			t.Errorf("%s: openapi says x-mall-also %v, the table %v", name, also, r.Also)
		}
		if got, want := keyOf(op), r.Key; got != want {
			t.Errorf("%s: openapi says Idempotency-Key %q, the table %q", name, got, want)
		}
		if signed := len(op.Security) > 0; signed != (r.Access != edge.Anyone) {
			t.Errorf("%s: openapi security %v does not match access %s", name, signed, r.Access)
		}
		for role, want := range allowed(r) {
			if got := policy.Allows(access.RouteKey{Method: r.Method, Path: r.Path}, role.list()); got != want {
				t.Errorf("%s for %q: the default policy says %v, the table %v", name, role, got, want)
			}
		}
	}
	own := []string{"GET /", "GET /healthz", "GET /openapi.json", "GET /openapi.yaml", "GET /readyz"}
	if rest := slices.Sorted(maps.Keys(ops)); !slices.Equal(rest, own) {
		t.Errorf("in openapi.yaml but not in the table: %v, want only %v", rest, own)
	}
}

type role string

func (r role) list() []string {
	if r == "" {
		return nil
	}
	return strings.Split(string(r), "+")
}

// allowed tells for each role whether x-mall-access and x-mall-also allow it.
func allowed(r edge.Route) map[role]bool {
	may := func(who string) bool {
		switch r.Access {
		case edge.Anyone:
			return true
		case edge.Customer:
			return who != ""
		}
		return who == string(r.Access) || slices.Contains(r.Also, who)
	}
	return map[role]bool{
		"": may(""), "customer": may("customer"), "seller": may("seller"), "admin": may("admin"),
		"customer+seller": may("customer") || may("seller"),
		"customer+banned": false,
		"seller+unknown":  may("seller"),
		"unknown":         false,
	}
}

func keyOf(op *v3.Operation) edge.KeyRule {
	for _, p := range op.Parameters {
		if p.Name == "Idempotency-Key" {
			if p.Required != nil && *p.Required {
				return edge.KeyRequired
			}
			return edge.KeyOptional
		}
	}
	return edge.KeyNone
}

// The schemas are strict: an answer of the wrong shape does not validate. Other tests rely on that.
func TestAnswersOfTheWrongShapeDoNotValidate(t *testing.T) {
	doc, _ := document(t)
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	const me = `{"id":"71","email":"a@example.org","email_verified":false,` +
		`"roles":["customer"],"created_at":"2026-08-23T09:30:00Z"}`
	const refusal = `{"type":"about:blank","title":"Forbidden","status":403,"detail":"No.",` +
		`"code":"forbidden","trace_id":"0af7651916cd43dd8448eb211c80319c"}`
	tests := map[string]struct {
		status      int
		media, body string
		valid       bool
	}{
		"a valid answer":      {200, "application/json", me, true},
		"missing field":       {200, "application/json", strings.Replace(me, `"id":"71",`, "", 1), false},
		"extra field":         {200, "application/json", strings.Replace(me, `{`, `{"password_hash":"x",`, 1), false},
		"id as a number":      {200, "application/json", strings.Replace(me, `"71"`, `71`, 1), false},
		"time with an offset": {200, "application/json", strings.Replace(me, `30:00Z`, `30:00+02:00`, 1), false},
		"refusal":             {403, "application/problem+json", refusal, true},
		"refusal, unknown code": {403, "application/problem+json", strings.Replace(refusal, `"forbidden"`, `"nope"`, 1),
			false},
		"refusal, extra field":  {403, "application/problem+json", strings.Replace(refusal, `{`, `{"stack":"x",`, 1), false},
		"refusal as plain JSON": {403, "application/json", refusal, false},
		"undocumented status":   {418, "application/json", me, false},
	}
	for name, test := range tests {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/me", nil)
		res := &http.Response{StatusCode: test.status, Header: http.Header{"Content-Type": {test.media}},
			Body: io.NopCloser(strings.NewReader(test.body)), Request: req}
		if ok, found := v.ValidateHttpResponse(req, res); ok != test.valid {
			t.Errorf("%s: valid %v, want %v (%v)", name, ok, test.valid, found)
		}
	}
}
