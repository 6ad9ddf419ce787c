// Package contracts lists the services and the events that they publish and handle, and contains the contracts between
// them: events and internal requests, one versioned package per owner. A contract may only be extended; a breaking
// change is a new package.
package contracts

import "embed"

// Files are the contracts for any language: the JSON Schema of every event (<package>/schema), the OpenAPI file of
// every service with internal routes (<package>/openapi.json), and examples of both (<package>/golden). They are
// generated from the Go types: go test ./services/contracts -update
//
//go:embed */schema/*.json */golden/*.json */openapi.json
var Files embed.FS
