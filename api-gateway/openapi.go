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

// doors are the routes as a policy sees them.
func doors() []access.RouteKey {
	var ds []access.RouteKey
	for _, r := range edge.Routes() {
		ds = append(ds, access.RouteKey{Method: r.Method, Path: r.Path})
	}
	return ds
}
