package containers

import (
	"slices"

	"daprmall.dev/services/contracts"
)

// Names of containers that are not those of an app.
const (
	Postgres = "postgres"
	Redis    = "redis"
	Kafka    = "kafka"
	Grafana  = "grafana"
	Seed     = "seed"
)

// Sidecar and Component name the containers beside an app's. The component exists beside some (HasComponent).
func Sidecar(app string) string { return app + "-daprd" }

// Component is the container of the pluggable component redislua.
func Component(app string) string { return app + "-redislua" }

// Apps are all apps. An app's container has its name.
func Apps() (names []string) {
	for _, s := range contracts.Services {
		names = append(names, s.Name)
	}
	return names
}

// HasComponent reports whether an app's sidecar needs the component redislua.
func HasComponent(app string) bool { return slices.Contains(contracts.Loading("redis-lua"), app) }

// User is the number of the user and the group that a container runs as, by the container's name: each has its own, so
// that none reads the files of another. 0 if there is none of this name.
func User(container string) int {
	switch container {
	case Postgres: // as in its image: initdb needs a user with a name
		return 999
	case Redis:
		return 10001
	case Kafka:
		return 10002
	case Grafana:
		return 10003
	case Seed:
		return 10004
	}
	for i, app := range Apps() {
		for kind, name := range []string{app, Sidecar(app), Component(app)} {
			if container == name {
				return 10100 + 100*kind + i
			}
		}
	}
	return 0
}
