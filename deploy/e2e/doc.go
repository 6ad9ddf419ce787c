// Package e2e buys from a whole mall: real apps, sidecars, PostgreSQL and Redis, on ports of its own. Every answer is
// held against openapi.yaml, every refusal that it lists must be met on its route, and at the end the books must
// balance.
//
// Run it with `go run ./deploy/mall test ./deploy/e2e/...`.
package e2e
