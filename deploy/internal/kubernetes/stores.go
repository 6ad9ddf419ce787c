package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/config/keys"
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

// errEmptied says that a store lost its settings and the chart has none to give back.
var errEmptied = errors.New("the configuration store is empty, but services remember settings, so this mall is not " +
	"new: give all settings that it had as values (settings), above all the gateway's, and upgrade")

func (m Mall) prepareRedis(ctx context.Context, v vault, p Places) error {
	password, err := value(ctx, v, p.RedisSecret, "password")
	if err != nil {
		return err
	}
	c := redis.Open(p.Redis, password)
	if p.RedisTLS {
		c = redis.OpenTLS(p.Redis, password)
	}
	defer c.Close() //nolint:errcheck // every command has been answered
	if err := redis.WaitFor(ctx, c); err != nil {
		return err
	}
	// A Redis from outside has no file with them.
	if err := redis.SetUsers(ctx, c, redis.SettingsReaders(m.Store.SettingsReaders())); err != nil {
		return err
	}
	initialized, err := c.Exists(ctx, settings.Initialized).Result()
	if err != nil {
		return err
	}
	if initialized == 0 && len(p.Settings) == 0 {
		used, err := m.used(ctx)
		if err != nil {
			return err
		}
		if used {
			return errEmptied
		}
	}
	// The mark comes last: until then services know that an absent setting may have been lost.
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		if err := set(ctx, c, name, p.Settings[name]); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return c.SetNX(ctx, settings.Initialized, time.Now().UTC().Format(time.RFC3339), 0).Err()
}

// used reports whether a service remembers settings.
func (m Mall) used(ctx context.Context) (bool, error) {
	for _, name := range m.databases() {
		if has, err := postgres.HasRows(ctx, m.Store.DSN(name), "settings"); err != nil || has {
			return has, err
		}
	}
	return false, nil
}

// set gives a setting another value, with a version above that of the one before.
func set(ctx context.Context, c *redis.Client, name, text string) error {
	raw, err := c.Get(ctx, name).Result()
	if err != nil && !errors.Is(err, redis.ErrNil) {
		return err
	}
	now := settings.Parse(raw)
	if err == nil && now.Text == text {
		return nil
	}
	return c.Set(ctx, name, settings.Value{Text: text, Version: max(time.Now().UnixMilli(), now.Version+1)}.String(),
		0).Err()
}

// CheckSettings refuses settings that do not exist or cannot be meant.
func CheckSettings(all map[string]string) error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		known, ok := keys.Find(name)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Errorf("%s is not a setting", name))
		case strings.Contains(all[name], settings.Separator):
			wrong = append(wrong, fmt.Errorf("%s: a value must not contain %s", name, settings.Separator))
		default:
			if err := known.Check(all[name]); err != nil {
				wrong = append(wrong, fmt.Errorf("%s=%s: %w (%s)", name, all[name], err, known.Form))
			}
		}
	}
	return errors.Join(wrong...)
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
