package main

import (
	"context"
	"os"

	"daprmall.dev/deploy/internal/containers"
	"daprmall.dev/deploy/internal/kubernetes"
	"daprmall.dev/deploy/internal/operate"
	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/deploy/internal/secrets"
)

// home is where the mall's volume is mounted.
const home = "/mall"

// find returns what commands need of the mall beside this container: of the namespace in a cluster, or of the volume.
func find(ctx context.Context) (m running.Mall, err error) {
	if os.Getenv("NAMESPACE") != "" {
		client, k, p, err := namespace(ctx)
		if err != nil {
			return m, err
		}
		return k.Running(ctx, client, p)
	}
	store, err := secrets.Read(volume{home: home}.private())
	if err != nil {
		return m, err
	}
	m.Databases = store.Databases()
	m.Redis.Addr, m.Redis.Password = redisAddr, store.RedisPassword()
	return m, nil
}

// openConfig opens the configuration store of the same mall.
func openConfig(ctx context.Context) (c operate.Config, err error) {
	if os.Getenv("NAMESPACE") != "" {
		client, k, p, err := namespace(ctx)
		if err != nil {
			return c, err
		}
		c.Logs, c.Fixed = "kubectl logs -c app deployment", p.Settings
		c.Store, err = k.Settings(ctx, client, p)
		return c, err
	}
	v := volume{home: home}
	store, err := secrets.Read(v.private())
	if err != nil {
		return c, err
	}
	c.Store, c.Logs = v.settings(store), "docker compose logs"
	for _, app := range containers.Apps() {
		page := "http://" + app + metricsPort + "/metrics"
		c.Readers = append(c.Readers, operate.Reader{Name: app, App: app, Metrics: page})
	}
	return c, nil
}

// namespace is the mall of the namespace that this program's pod is in.
func namespace(ctx context.Context) (*kubernetes.Client, kubernetes.Mall, kubernetes.Places, error) {
	p, err := places()
	if err != nil {
		return nil, kubernetes.Mall{}, p, err
	}
	client, err := kubernetes.InCluster(os.Getenv("NAMESPACE"))
	if err != nil {
		return nil, kubernetes.Mall{}, p, err
	}
	m, err := kubernetes.Load(ctx, client)
	return client, m, p, err
}
