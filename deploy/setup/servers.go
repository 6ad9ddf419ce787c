package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/containers"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/contracts"
)

// serversWithin is how long the servers may take until they can be used.
const serversWithin = 2 * time.Minute

func serversCommand() *cobra.Command {
	v := volume{broker: broker.Redis}
	c := &cobra.Command{Use: "servers", Args: cobra.NoArgs,
		Short: "Make the roles, databases, users and topics that are missing"}
	v.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), serversWithin)
		defer cancel()
		m, err := v.load()
		if err != nil {
			return err
		}
		return v.prepareServers(ctx, m)
	}
	return c
}

func (v volume) prepareServers(ctx context.Context, m containers.Mall) error {
	if err := prepareDatabases(ctx, m); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	if err := v.prepareRedis(ctx, m); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if m.BrokerAddr == "" { // Redis Streams make theirs
		return nil
	}
	var topics []string
	for _, t := range contracts.Topics {
		topics = append(topics, t.Name)
	}
	return broker.Topics(ctx, m.Broker, m.BrokerAddr, true, topics)
}

func prepareDatabases(ctx context.Context, m containers.Mall) error {
	admin := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", m.Own.PostgresPassword), Host: postgresAddr,
		Path: "/postgres", RawQuery: "sslmode=disable"}
	if err := postgres.Wait(ctx, admin.String()); err != nil {
		return err
	}
	passwords := map[string]string{}
	for _, name := range contracts.Databases() {
		passwords[name] = m.Store.DatabasePassword(name)
	}
	return postgres.Databases(ctx, admin.String(), passwords)
}

// prepareRedis makes the users, also of a server that started before there was an app of its name, and gives a store
// that lost settings those of the record.
func (v volume) prepareRedis(ctx context.Context, m containers.Mall) error {
	if err := redis.Wait(ctx, redisAddr, m.Store.RedisPassword()); err != nil {
		return err
	}
	store := v.settings(m.Store)
	defer store.Redis.Close() //nolint:errcheck // every command has been answered
	if err := redis.SetUsers(ctx, store.Redis, redis.SettingsReaders(m.Store.SettingsReaders())); err != nil {
		return err
	}
	restored, err := store.Prepare(ctx, nil, func() (bool, error) {
		return postgres.AnyHasRows(ctx, "settings", m.Store.Databases())
	})
	for _, key := range restored {
		fmt.Println("written back:", key)
	}
	if errors.Is(err, settings.ErrEmptied) {
		err = fmt.Errorf("%w. Set all settings again with `docker compose run --rm setup config set`, above all the "+
			"gateway's, then %s to yes, and start it again", err, settings.Initialized)
	}
	return err
}
