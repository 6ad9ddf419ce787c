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
		return prepareServers(ctx, m)
	}
	return c
}

func prepareServers(ctx context.Context, m containers.Mall) error {
	if err := prepareDatabases(ctx, m); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	if err := prepareRedis(ctx, m); err != nil {
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

// errEmptied is as in deploy/mall: the gateway, which remembers nothing, would go on without its settings.
var errEmptied = errors.New("the configuration store is empty, but services remember settings, so this mall is not " +
	"new. Set all settings again, above all the gateway's, then " + settings.Initialized + " to yes, and start it again")

// prepareRedis makes the users, also of a server that started before there was an app of its name, and marks the store
// of a new mall as one that is not empty by a loss.
func prepareRedis(ctx context.Context, m containers.Mall) error {
	if err := redis.Wait(ctx, redisAddr, m.Store.RedisPassword()); err != nil {
		return err
	}
	c := redis.Open(redisAddr, m.Store.RedisPassword())
	defer c.Close() //nolint:errcheck // every command has been answered
	if err := redis.SetUsers(ctx, c, redis.SettingsReaders(m.Store.SettingsReaders())); err != nil {
		return err
	}
	n, err := c.Exists(ctx, settings.Initialized).Result()
	if err != nil || n > 0 {
		return err
	}
	for _, name := range contracts.Databases() {
		if has, err := postgres.HasRows(ctx, m.Store.DSN(name), "settings"); err != nil {
			return err
		} else if has {
			return errEmptied
		}
	}
	return c.SetNX(ctx, settings.Initialized, time.Now().UTC().Format(time.RFC3339), 0).Err()
}
