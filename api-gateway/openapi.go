package main

import (
	_ "embed"

	"daprmall.dev/api-gateway/internal/access"
	"daprmall.dev/api-gateway/internal/edge"
)

// openAPI is the public contract; the gateway serves the very file.
//
//go:embed openapi.yaml
var openAPI []byte

// routeKeys are the methods and paths of all public routes, which a policy is evaluated for.
func routeKeys() []access.RouteKey {
	var routes []access.RouteKey
	for _, r := range edge.Routes() {
		routes = append(routes, access.RouteKey{Method: r.Method, Path: r.Path})
	}
	return routes
}
