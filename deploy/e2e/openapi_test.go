//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// operation is a route as openapi.yaml declares it. Tests are generated from it, so that new routes are tested without
// further work.
type operation struct {
	ID, Method, Path string
	Access           string   // x-mall-access; "" is an error
	Also             []string // x-mall-also
	Owner            bool     // x-mall-owner
	KeyRequired      bool     // requires an Idempotency-Key
	KeyTaken         bool     // accepts an Idempotency-Key
	Body             schema   // schema of the JSON body; nil: no body
	BodyOptional     bool
	Query            []parameter
	Success          int // the first 2xx
}

type parameter struct {
	Name   string `yaml:"name"`
	In     string `yaml:"in"`
	Schema schema `yaml:"schema"`
}

type schema map[string]any

// openAPI reads openapi.yaml.
func openAPI() (doc schema, err error) {
	raw, err := os.ReadFile(filepath.Join(root(), "api-gateway", "openapi.yaml"))
	if err != nil {
		return nil, err
	}
	return doc, yaml.Unmarshal(raw, &doc)
}

// operations returns all operations of openapi.yaml.
func operations(t *testing.T) []operation {
	t.Helper()
	doc, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	var found []operation
	for path, methods := range doc.at("paths") {
		for method, v := range asSchema(methods) {
			o := doc.deref(asSchema(v))
			op := operation{Method: strings.ToUpper(method), Path: path, Access: o.text("x-mall-access"),
				ID: o.text("operationId")}
			op.Owner, _ = o["x-mall-owner"].(bool)
			for _, role := range o.list("x-mall-also") {
				op.Also = append(op.Also, role.(string))
			}
			for _, p := range o.list("parameters") {
				p := asSchema(p)
				if p.text("name") == "Idempotency-Key" {
					op.KeyTaken = true
					op.KeyRequired, _ = p["required"].(bool)
				}
				if p.text("in") == "query" {
					op.Query = append(op.Query, parameter{Name: p.text("name"), Schema: p.at("schema")})
				}
			}
			if body := o.at("requestBody"); body != nil {
				op.Body = body.at("content").at("application/json").at("schema")
				required, _ := body["required"].(bool)
				op.BodyOptional = !required
			}
			for status := range o.at("responses") {
				if strings.HasPrefix(status, "2") {
					if n := int(status[0]-'0')*100 + int(status[1]-'0')*10 + int(status[2]-'0'); op.Success == 0 || n < op.Success {
						op.Success = n
					}
				}
			}
			found = append(found, op)
		}
	}
	slices.SortFunc(found, func(a, b operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	if len(found) < 40 {
		t.Fatalf("only %d routes were found in openapi.yaml", len(found))
	}
	return found
}

// deref replaces references by what they refer to, recursively.
func (s schema) deref(v schema) schema {
	return asSchema(s.resolve(v))
}

func (s schema) resolve(v any) any {
	switch v := v.(type) {
	case schema:
		if ref, ok := v["$ref"].(string); ok {
			at := s
			for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				at = at.at(part)
			}
			return s.resolve(at)
		}
		out := schema{}
		for k, e := range v {
			out[k] = s.resolve(e)
		}
		return out
	case map[string]any:
		return s.resolve(schema(v))
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.resolve(e)
		}
		return out
	}
	return v
}

func asSchema(v any) schema {
	switch v := v.(type) {
	case schema:
		return v
	case map[string]any:
		return v
	}
	return nil
}

func (s schema) at(name string) schema       { return asSchema(s[name]) }
func (s schema) text(name string) string     { v, _ := s[name].(string); return v }
func (s schema) list(name string) []any      { v, _ := s[name].([]any); return v }
func (s schema) int(name string) (int, bool) { v, ok := s[name].(int); return v, ok }
func (s schema) requires(name string) bool   { return slices.Contains(s.list("required"), any(name)) }
