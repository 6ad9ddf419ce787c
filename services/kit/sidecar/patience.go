package sidecar

import "time"

// Patience is how long a caller waits for an app's whole answer. Callers keep this time instead of the sidecars'
// resiliency policies: with a time-out there, Dapr 1.18 can crash on an answer that is cut off
// (docs/adr/0025-callers-keep-the-time.md).
func Patience(app string) time.Duration {
	switch app {
	case "user":
		return 10 * time.Second // argon2id, queued behind other sign-ins
	case "checkout":
		return 15 * time.Second // three hops in one call
	case "payment":
		return 20 * time.Second // a slow card, then our own answer
	}
	return 5 * time.Second
}
