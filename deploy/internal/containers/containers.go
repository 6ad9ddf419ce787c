// Package containers makes what the containers of a mall are given: files and variables with their secrets. An app, its
// sidecar and its component each get their own and no others.
package containers

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/render"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/services/contracts"
)

// Mall is what the containers of one mall have in common.
type Mall struct {
	Store secrets.Store
	Own   secrets.Own
	// Components and Config are the repository's directories of Dapr files, components and dapr-config.
	Components, Config string
	Redis              string // address
	Broker             broker.Kind
	BrokerAddr         string // "" with Redis Streams
	// Names is how sidecars find each other (render.Values).
	Names string
}

// AppEnv is the secret part of an app's environment.
func (m Mall) AppEnv(app string) map[string]string {
	return map[string]string{"DAPR_API_TOKEN": m.Own.DaprTokens[app], "APP_API_TOKEN": m.Own.AppTokens[app],
		"EVENTS_TOKEN": m.Own.EventsTokens[app]}
}

// SidecarEnv is the secret part of the environment of an app's sidecar.
func (m Mall) SidecarEnv(app string) map[string]string {
	return map[string]string{"DAPR_API_TOKEN": m.Own.DaprTokens[app], "APP_API_TOKEN": m.Own.AppTokens[app]}
}

// ComponentEnv is the environment of the component redislua beside an app.
func (m Mall) ComponentEnv(app string) map[string]string {
	return map[string]string{"REDISLUA_REDIS_ADDR": m.Redis, "REDISLUA_REDIS_PASSWORD": m.Store.RedisPassword(),
		"REDISLUA_OPERATIONS": redis.ScriptsOf(app)}
}

// SidecarFiles writes the files of an app's sidecar into a new directory, which the sidecar sees as home: its
// components and subscriptions in resources, config.yaml, and secrets.json.
func (m Mall) SidecarFiles(app, into, home string) error {
	v := render.Values{App: app, Home: home, Names: m.Names, Addresses: map[string]string{render.Redis: m.Redis},
		Events: map[string]string{app: m.Own.EventsTokens[app]}}
	overlay := ""
	if m.Broker != broker.Redis {
		v.Addresses[broker.Default] = m.BrokerAddr
		overlay = filepath.Join(m.Components, string(m.Broker))
	}
	resources := filepath.Join(into, "resources")
	if err := render.Dirs([]string{filepath.Join(m.Components, "local"), m.Config}, overlay, resources, v); err != nil {
		return err
	}
	// Dirs renders it because it is in a directory of resources. A sidecar takes it by its own flag.
	own := app + ".yaml"
	if err := os.Rename(filepath.Join(resources, own), filepath.Join(into, "config.yaml")); err != nil {
		return err
	}
	store, err := m.secretsOf(app, resources)
	if err != nil {
		return err
	}
	return secrets.Save(into, store)
}

// secretsOf are the secrets that an app may read, and those that its sidecar's components name.
func (m Mall) secretsOf(app, resources string) (secrets.Store, error) {
	service, known := contracts.Find(app)
	if !known {
		return nil, fmt.Errorf("there is no app %s", app)
	}
	own := secrets.Store{}
	for _, name := range service.AllowedSecrets() {
		if values := m.Store[name]; values != nil { // stripe is optional
			own[name] = maps.Clone(values)
		}
	}
	files, err := filepath.Glob(filepath.Join(resources, "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		references, err := secretReferences(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, r := range references {
			value, known := m.Store[r.Name][r.Key]
			if !known {
				return nil, fmt.Errorf("%s: there is no secret %s with the key %s", file, r.Name, r.Key)
			}
			if own[r.Name] == nil {
				own[r.Name] = map[string]string{}
			}
			own[r.Name][r.Key] = value
		}
	}
	return own, nil
}

// reference is a component's reference to a secret.
type reference struct{ Name, Key string }

func secretReferences(file string) (all []reference, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	for dec := yaml.NewDecoder(f); ; {
		var doc struct {
			Spec struct {
				Metadata []struct {
					SecretKeyRef *reference `yaml:"secretKeyRef"`
				}
			}
		}
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		for _, m := range doc.Spec.Metadata {
			if m.SecretKeyRef != nil {
				all = append(all, *m.SecretKeyRef)
			}
		}
	}
}
