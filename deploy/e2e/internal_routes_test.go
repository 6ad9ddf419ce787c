//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"daprmall.dev/services/contracts"
)

// internalRoute is a route that services call, with its allowed callers.
type internalRoute struct {
	app, method, path string
	callers           []string
}

// public are routes that the gateway calls for its clients, one or two of each service. Some services call them, too.
var public = []internalRoute{
	{"auth", "POST", "/v1/sessions", []string{"api-gateway"}},
	{"user", "GET", "/v1/admin/users", []string{"api-gateway"}},
	{"product", "POST", "/v1/products", []string{"api-gateway"}},
	{"cart", "GET", "/v1/cart", []string{"api-gateway"}},
	{"checkout", "POST", "/v1/checkout", []string{"api-gateway"}},
	{"order", "GET", "/v1/orders", []string{"api-gateway", "checkout"}},
	{"payment", "POST", "/v1/payments", []string{"api-gateway"}},
}

// internalRoutes are the routes between services in the contracts, feeds included, and some that the gateway calls. A
// caller that is not listed must be refused.
func internalRoutes(t *testing.T) []internalRoute {
	t.Helper()
	files, err := fs.Glob(contracts.Files, "*/openapi.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no contracts: %v", err)
	}
	all := public
	for _, file := range files {
		text, err := fs.ReadFile(contracts.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		var api struct {
			Paths map[string]map[string]struct {
				Callers []string `json:"x-callers"`
			}
		}
		if err := json.Unmarshal(text, &api); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", file, err))
		}
		for route, methods := range api.Paths {
			for method, operation := range methods {
				if operation.Callers != nil { // without x-callers every app may call
					app := strings.TrimSuffix(path.Dir(file), "v1")
					all = append(all, internalRoute{app, strings.ToUpper(method), route, operation.Callers})
				}
			}
		}
	}
	return all
}
