package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/operate"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/deploy/internal/settings"
)

func configCommand() *cobra.Command { return operate.ConfigCommand(openConfig) }

// openConfig opens the Dapr configuration store of this repository's running mall.
func openConfig(context.Context) (operate.Config, error) {
	var c operate.Config
	at, err := layout.Find()
	if err != nil {
		return c, err
	}
	s, err := readState(at)
	if err != nil {
		return c, err
	}
	if s.Redis.Addr == "" {
		return c, errors.New("this mall runs without Redis")
	}
	c.Store = settingsOf(at, redis.Open(s.Redis.Addr, s.Redis.Password))
	c.Logs = "go run ./deploy/mall logs"
	for name, app := range s.Apps {
		c.Readers = append(c.Readers, operate.Reader{Name: name, App: app.ID, Metrics: running.MetricsPage(app.Ports)})
	}
	return c, nil
}

// settingsOf is the store of a mall that keeps its record in its home.
func settingsOf(at layout.Layout, c *redis.Client) settings.Store {
	return settings.Store{Redis: c, Record: settings.Record{File: filepath.Join(at.Home, "settings.json"),
		Lock: filepath.Join(at.Run(), "settings.lock")}}
}
