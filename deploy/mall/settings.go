package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
)

// prepareSettings comes before the first app: one that finds an empty store must know whether it is a new one.
func (m *mall) prepareSettings(ctx context.Context) error {
	if m.redis == "" || m.pg == "" { // one alone cannot tell a new mall from an old one
		return nil
	}
	c := redis.Open(m.redis, m.store.RedisPassword())
	defer c.Close() //nolint:errcheck // every command has been answered
	_, err := settingsOf(m.at, c).Prepare(ctx, nil, func() (bool, error) {
		return postgres.AnyHasRows(ctx, "settings", m.store.Databases())
	})
	if !errors.Is(err, settings.ErrEmptied) {
		return err
	}
	err = fmt.Errorf("%w, and settings.json is missing. Start only the servers (`up --only postgres,redis --detach`), "+
		"set all settings again, above all the gateway's, then `config set %s yes`, and start it whole", err,
		settings.Initialized)
	if len(m.apps) == 0 { // the cure: the servers alone, to set them
		m.board.Say("  ! %v", err)
		return nil
	}
	return err
}

// guardSettings writes settings back whenever the store has lost some, until ctx ends.
func (m *mall) guardSettings(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		if os.Getenv("MALL_REDIS_ADDR") != "" { // it may have been restarted, and keeps them only if its owner has it do so
			_ = m.setRedisUsers(ctx) // again in a moment
		}
		restored, err := m.restoreLost(ctx)
		if err == nil && len(restored) > 0 {
			m.board.Say("%s the configuration store had lost settings, which were written back: %s",
				time.Now().Format(time.TimeOnly),
				strings.Join(restored, ", "))
		}
	}
}

func (m *mall) restoreLost(ctx context.Context) ([]string, error) {
	c := redis.Open(m.redis, m.store.RedisPassword())
	defer c.Close() //nolint:errcheck // every command has been answered
	return settingsOf(m.at, c).Restore(ctx)
}
