// Package redis brings up a private Redis and talks to it.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/supervise"
)

// Instance is a private Redis on this machine.
type Instance struct {
	Binary   string
	Dir      string
	Bind     string // where it listens; "" for this machine only
	Port     int
	Password string
	Users    []SettingsReader
	User     source.User
}

// Prepare writes its directory and configuration. The password is in a file, not on
// the command line, where every user of the machine could read it.
func (i Instance) Prepare() error {
	if err := i.User.MakeDir(i.Dir); err != nil {
		return err
	}
	return i.User.Write(filepath.Join(i.Dir, "redis.conf"), []byte(i.Config()))
}

// Config is its configuration file.
func (i Instance) Config() string {
	lines := []string{
		"bind " + cmp.Or(i.Bind, "127.0.0.1"),
		"port " + strconv.Itoa(i.Port),
		"dir " + strconv.Quote(i.Dir),
		i.requirePass(),
		// A shop's Redis: nothing is evicted, and a crash loses at most a second.
		"maxmemory-policy noeviction",
		"appendonly yes",
		"appendfsync everysec",
		"save 900 1",
		"daemonize no",
		"loglevel notice",
	}
	for _, u := range i.Users {
		lines = append(lines, "user "+strings.Join(u.rules(), " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

// requirePass leaves a server for tests open: it lives for minutes and holds nothing.
func (i Instance) requirePass() string {
	if i.Password == "" {
		return "protected-mode no"
	}
	return "requirepass " + i.Password
}

// Spec is how it is kept running.
func (i Instance) Spec(name, log string) supervise.Spec {
	return supervise.Spec{Name: name, Kind: "redis", Path: i.Binary, Args: []string{filepath.Join(i.Dir, "redis.conf")},
		Dir: i.Dir, Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, Log: log, User: i.User.Credential(),
		Port: i.Port, Ports: map[string]int{"redis": i.Port},
		Stop: syscall.SIGTERM, Orphan: syscall.SIGTERM, Patience: 10 * time.Second}
}

// Wait returns when Redis answers, which after a crash is after it has read its log.
func Wait(ctx context.Context, addr, password string) error {
	c := Open(addr, password)
	defer c.Close() //nolint:errcheck // nothing was written
	return WaitFor(ctx, c)
}

// WaitFor is Wait with a client.
func WaitFor(ctx context.Context, c *Client) error {
	for {
		err := c.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("redis at %s does not answer", c.Options().Addr), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
