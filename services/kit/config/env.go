// Package config reads a process's configuration: how to reach its sidecar from the environment, everything else, while
// running, from the Dapr configuration store.
package config

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// Env is everything that a process takes from its environment.
type Env struct {
	AppID        string
	Instance     string // this replica's name
	AppHost      string // where to listen; loopback by default
	AppPort      int
	DaprHTTPPort int
	DaprGRPCPort int
	DaprAPIToken string // app → sidecar
	AppAPIToken  string // sidecar → app
	// part of the path of events, so that only the app's own sidecar can deliver them; "" where an access control list
	// does that
	EventsToken string
}

// FromEnv reads and checks the environment.
func FromEnv() (Env, error) {
	e := Env{
		AppID:        os.Getenv("APP_ID"),
		Instance:     os.Getenv("APP_INSTANCE"),
		AppHost:      os.Getenv("APP_HOST"),
		DaprAPIToken: os.Getenv("DAPR_API_TOKEN"),
		AppAPIToken:  os.Getenv("APP_API_TOKEN"),
		EventsToken:  os.Getenv("EVENTS_TOKEN"),
	}
	if e.AppID == "" {
		return e, fmt.Errorf("APP_ID is not set: start the mall with `go run ./deploy/mall up`")
	}
	if e.Instance == "" {
		e.Instance, _ = os.Hostname() // a pod's name
	}
	if e.AppHost == "" {
		e.AppHost = "127.0.0.1"
	}
	if e.AppAPIToken == "" {
		return e, fmt.Errorf("APP_API_TOKEN is not set: without it anyone on this machine could pose as the sidecar")
	}
	for name, dst := range map[string]*int{"APP_PORT": &e.AppPort, "DAPR_HTTP_PORT": &e.DaprHTTPPort,
		"DAPR_GRPC_PORT": &e.DaprGRPCPort} {
		n, err := strconv.Atoi(os.Getenv(name))
		if err != nil || n < 1 || n > 65535 {
			return e, fmt.Errorf("%s=%q is not a port", name, os.Getenv(name))
		}
		*dst = n
	}
	return e, nil
}

// Addr is where the app listens.
func (e Env) Addr() string { return net.JoinHostPort(e.AppHost, strconv.Itoa(e.AppPort)) }

// String hides the tokens.
func (e Env) String() string {
	return fmt.Sprintf("%s on %s, sidecar http %d grpc %d", e.AppID, e.Addr(), e.DaprHTTPPort, e.DaprGRPCPort)
}
