package kubernetes

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/services/contracts"
)

// Names of Secrets that are no secret of a service.
const (
	nameAdmin = "postgres-admin"
	nameRedis = "redis"
	conf      = "redis.conf"
)

// ours marks the Secrets that this program made: it changes no other.
const (
	ours   = "app.kubernetes.io/managed-by"
	itself = "mall-setup"
)

// vault is the Secrets of a namespace, which a test replaces.
type vault interface {
	Get(ctx context.Context, name string) (*Secret, error)
	Create(ctx context.Context, s Secret) error
	Merge(ctx context.Context, name string, data map[string][]byte) error
}

// Mall is everything secret of a mall in a namespace.
type Mall struct {
	Store   secrets.Store
	Own     secrets.Own
	Foreign []string // names of Secrets that somebody else made: they stay as they are
}

// Load reads what there is and adds what is missing, in memory.
func Load(ctx context.Context, v vault) (m Mall, err error) {
	var apps []string
	for _, s := range contracts.Services {
		apps = append(apps, s.Name)
	}
	all := secrets.Store{}
	secrets.Complete(all, &secrets.Own{}, apps) // for its names
	m = Mall{Store: secrets.Store{}, Own: secrets.Own{DaprTokens: map[string]string{}, AppTokens: map[string]string{}}}
	read := func(name string, take func(values map[string]string)) {
		var s *Secret
		if err == nil {
			s, err = v.Get(ctx, name)
		}
		if err != nil || s == nil {
			return
		}
		if s.Metadata.Labels[ours] != itself {
			m.Foreign = append(m.Foreign, name)
		}
		values := map[string]string{}
		for key, value := range s.Data {
			values[key] = string(value)
		}
		take(values)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		read(name, func(values map[string]string) {
			delete(values, conf)
			m.Store[name] = values
		})
	}
	for _, app := range apps {
		read(tokenSecret(app, "dapr"), func(values map[string]string) { m.Own.DaprTokens[app] = values["token"] })
		read(tokenSecret(app, "app"), func(values map[string]string) { m.Own.AppTokens[app] = values["token"] })
	}
	read(nameAdmin, func(values map[string]string) { m.Own.PostgresPassword = values["password"] })
	if err != nil {
		return m, err
	}
	secrets.Complete(m.Store, &m.Own, apps)
	return m, nil
}

func tokenSecret(app, kind string) string { return app + "-" + kind + "-token" }

// Keep makes the Secrets that are missing, and adds to ours what they lack.
func (m Mall) Keep(ctx context.Context, v vault) error {
	wanted := map[string]map[string]string{nameAdmin: {"user": "postgres", "password": m.Own.PostgresPassword}}
	for name, values := range m.Store {
		wanted[name] = maps.Clone(values)
	}
	// The configuration of the Redis inside, with its users.
	wanted[nameRedis][conf] = redis.Instance{Bind: "* -::*", Dir: "/data", Port: 6379, Password: m.Store.RedisPassword(),
		Users: redis.SettingsReaders(m.Store.SettingsReaders())}.Config()
	for app, token := range m.Own.DaprTokens {
		wanted[tokenSecret(app, "dapr")] = map[string]string{"token": token}
	}
	for app, token := range m.Own.AppTokens {
		wanted[tokenSecret(app, "app")] = map[string]string{"token": token}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if slices.Contains(m.Foreign, name) {
			continue
		}
		if err := keep(ctx, v, name, wanted[name]); err != nil {
			return fmt.Errorf("secret %s: %w", name, err)
		}
	}
	return nil
}

func keep(ctx context.Context, v vault, name string, values map[string]string) error {
	data := map[string][]byte{}
	for key, value := range values {
		data[key] = []byte(value)
	}
	there, err := v.Get(ctx, name)
	if err != nil {
		return err
	}
	if there == nil {
		s := Secret{Data: data}
		s.Metadata.Name, s.Metadata.Labels = name, map[string]string{ours: itself, "app.kubernetes.io/part-of": "mall"}
		return v.Create(ctx, s)
	}
	maps.DeleteFunc(data, func(key string, value []byte) bool { return bytes.Equal(there.Data[key], value) })
	if len(data) == 0 {
		return nil
	}
	return v.Merge(ctx, name, data)
}
