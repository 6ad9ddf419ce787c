package sidecar

import "time"

// CallTimeout is how long a caller waits for an app's whole answer. Callers apply it themselves: with a time-out in its
// resiliency policies, a sidecar of Dapr 1.18 can crash on an answer that is cut off
// (docs/adr/0025-callers-enforce-timeouts.md).
func CallTimeout(app string) time.Duration {
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
