// Package e2e buys from a whole mall: real apps, sidecars, PostgreSQL and Redis, on ports of its own. Every answer
// is held against openapi.yaml, and at the end the books must balance.
//
// Run it with `go run ./deploy/mall test ./deploy/e2e/...`.
package e2e
