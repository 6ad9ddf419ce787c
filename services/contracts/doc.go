// Package contracts says which services there are, which events they tell and handle, and holds what they may know of
// each other: events and peer requests, one versioned package per owner. A contract only ever grows; a breaking change
// is a new package.
package contracts

import "embed"

// Files are the contracts for any language: the JSON Schema of every event (<package>/schema), the OpenAPI file of
// every service that peers call (<package>/openapi.json), and examples of both (<package>/golden). They are written
// from the Go types: go test ./services/contracts -update
//
//go:embed */schema/*.json */golden/*.json */openapi.json
var Files embed.FS
