package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/kubernetes"
	"daprmall.dev/deploy/internal/settings"
)

// kubernetesWithin is how long stores of a cluster may take: their volumes and images come from elsewhere.
const kubernetesWithin = 9 * time.Minute

func kubernetesCommand() *cobra.Command {
	c := &cobra.Command{Use: "kubernetes", Short: "Prepare the mall of a namespace, as its Helm chart asks by variables"}
	step := func(use, short string,
		do func(context.Context, *kubernetes.Client, kubernetes.Mall, kubernetes.Places) error) {
		c.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				ctx, cancel := context.WithTimeout(c.Context(), kubernetesWithin)
				defer cancel()
				client, m, p, err := namespace(ctx)
				if err != nil {
					return err
				}
				return do(ctx, client, m, p)
			}})
	}
	step("secrets", "Make the Secrets that are missing",
		func(ctx context.Context, c *kubernetes.Client, m kubernetes.Mall, p kubernetes.Places) error {
			m.Reach(p)
			return m.Keep(ctx, c)
		})
	step("stores", "Make the roles, databases, users, topics and settings that are missing",
		func(ctx context.Context, c *kubernetes.Client, m kubernetes.Mall, p kubernetes.Places) error {
			return m.Prepare(ctx, c, p)
		})
	return c
}

// places reads what the chart says of the stores.
func places() (p kubernetes.Places, err error) {
	p = kubernetes.Places{Postgres: os.Getenv("POSTGRES_HOST"), SSLMode: os.Getenv("POSTGRES_SSLMODE"),
		PostgresAdmin: os.Getenv("POSTGRES_ADMIN_SECRET"), Redis: os.Getenv("REDIS_ADDR"),
		RedisTLS: os.Getenv("REDIS_TLS") == "true", RedisSecret: os.Getenv("REDIS_SECRET"),
		Brokers: os.Getenv("EVENTS_BROKERS")}
	if err := p.Broker.Set(os.Getenv("EVENTS_BROKER")); err != nil {
		return p, err
	}
	if err := json.Unmarshal([]byte(os.Getenv("SETTINGS")), &p.Settings); err != nil {
		return p, fmt.Errorf("SETTINGS: %w", err)
	}
	return p, settings.CheckAll(p.Settings)
}
