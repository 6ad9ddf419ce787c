package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/contracts"
)

// Places is where the stores are, as the chart's values have it.
type Places struct {
	Postgres      string // host:port
	SSLMode       string
	PostgresAdmin string // Secret with user and password
	Redis         string // host:port
	RedisTLS      bool
	RedisSecret   string // Secret with password
	Broker        broker.Kind
	Brokers       string // host:port; "" to make no topics
	Settings      map[string]string
}

// Reach writes down how services reach their databases, keeping the passwords.
func (m Mall) Reach(p Places) {
	options := url.Values{"sslmode": {p.SSLMode}}.Encode()
	for _, name := range m.databases() {
		m.Store.SetDatabase(name, p.Postgres, options)
	}
}

// databases are those whose passwords this program made.
func (m Mall) databases() []string {
	return slices.DeleteFunc(contracts.Databases(), func(name string) bool {
		return slices.Contains(m.Foreign, name+"-db")
	})
}

// Prepare makes roles, databases, users, topics and settings that are missing, and waits for the stores to do so.
func (m Mall) Prepare(ctx context.Context, v vault, p Places) error {
	if err := m.prepareDatabases(ctx, v, p); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	if err := m.prepareRedis(ctx, v, p); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if p.Broker == broker.Redis || p.Brokers == "" { // Redis Streams make theirs
		return nil
	}
	var topics []string
	for _, t := range contracts.Topics {
		topics = append(topics, t.Name)
	}
	return broker.Topics(ctx, p.Broker, p.Brokers, p.Broker == broker.Kafka, topics)
}

func (m Mall) prepareDatabases(ctx context.Context, v vault, p Places) error {
	passwords := map[string]string{}
	for _, name := range m.databases() {
		passwords[name] = m.Store.DatabasePassword(name)
	}
	if len(passwords) == 0 {
		return nil
	}
	user, err := value(ctx, v, p.PostgresAdmin, "user")
	if err != nil {
		return err
	}
	password, err := value(ctx, v, p.PostgresAdmin, "password")
	if err != nil {
		return err
	}
	admin := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: p.Postgres, Path: "/postgres",
		RawQuery: url.Values{"sslmode": {p.SSLMode}}.Encode()}
	if err := postgres.Wait(ctx, admin.String()); err != nil {
		return err
	}
	return postgres.Databases(ctx, admin.String(), passwords)
}

// Running is what commands need of a mall that runs.
func (m Mall) Running(ctx context.Context, v vault, p Places) (r running.Mall, err error) {
	r.Databases, r.Redis.Addr, r.Redis.TLS = m.Store.Databases(), p.Redis, p.RedisTLS
	r.Redis.Password, err = value(ctx, v, p.RedisSecret, "password")
	return r, err
}

// Settings opens the configuration store. What the chart has are values, so this program keeps no record.
func (m Mall) Settings(ctx context.Context, v vault, p Places) (s settings.Store, err error) {
	password, err := value(ctx, v, p.RedisSecret, "password")
	if err != nil {
		return s, err
	}
	if s.Redis = redis.Open(p.Redis, password); p.RedisTLS {
		s.Redis = redis.OpenTLS(p.Redis, password)
	}
	return s, nil
}

func (m Mall) prepareRedis(ctx context.Context, v vault, p Places) error {
	store, err := m.Settings(ctx, v, p)
	if err != nil {
		return err
	}
	defer store.Redis.Close() //nolint:errcheck // every command has been answered
	if err := redis.WaitFor(ctx, store.Redis); err != nil {
		return err
	}
	// A Redis from outside has no file with them.
	if err := redis.SetUsers(ctx, store.Redis, redis.SettingsReaders(m.Store.SettingsReaders())); err != nil {
		return err
	}
	ours := m.Store.Databases()
	maps.DeleteFunc(ours, func(name, _ string) bool { return !slices.Contains(m.databases(), name) })
	_, err = store.Prepare(ctx, p.Settings, func() (bool, error) { return postgres.AnyHasRows(ctx, "settings", ours) })
	if errors.Is(err, settings.ErrEmptied) {
		err = fmt.Errorf("%w: give all settings that it had as values (settings), above all the gateway's, and upgrade", err)
	}
	return err
}

func value(ctx context.Context, v vault, secret, key string) (string, error) {
	s, err := v.Get(ctx, secret)
	if err != nil {
		return "", err
	}
	if s == nil || len(s.Data[key]) == 0 {
		return "", fmt.Errorf("there is no Secret %s with the key %s", secret, key)
	}
	return string(s.Data[key]), nil
}
