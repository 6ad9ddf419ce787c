// Command redislua is a Dapr output binding that runs this mall's Lua scripts in
// Redis. It is a pluggable component: a small gRPC server on a Unix socket that
// one sidecar dials.
//
// daprd does not repeat Init when a component comes back after a crash, so the
// process configures itself from its environment and is complete before the
// first call; Init may only override.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"daprmall.dev/redislua/internal/gate"
)

// stopWithin is how long calls in flight may take after SIGTERM. Scripts take
// milliseconds; what is still running then is waiting for a Redis that is gone.
const stopWithin = 5 * time.Second

func main() {
	if err := run(); err != nil {
		slog.Error("redislua stops", "error", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	cfg, err := configFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	lis, err := listen(cfg.socket)
	if err != nil {
		return err
	}
	binding := newBinding(cfg.redis, cfg.only)
	defer binding.close()
	slog.Info("redislua serves", "socket", cfg.socket, "redis", strings.Join(cfg.redis.Addrs, ","))
	return serve(ctx, lis, binding)
}

// config is what the process takes from its environment.
type config struct {
	socket string
	redis  *redis.UniversalOptions
	only   []string // operations; none: all
}

// configFromEnv reads REDISLUA_SOCKET (full path), REDISLUA_REDIS_ADDR (one
// address, or several separated by commas: a Redis Cluster),
// REDISLUA_REDIS_PASSWORD, REDISLUA_REDIS_TYPE (node or cluster, for a
// cluster that is reached through a single address) and REDISLUA_OPERATIONS
// (the only ones that this sidecar's app may use, separated by commas).
func configFromEnv(getenv func(string) string) (config, error) {
	cfg := config{socket: getenv("REDISLUA_SOCKET")}
	if !filepath.IsAbs(cfg.socket) {
		return config{}, fmt.Errorf("REDISLUA_SOCKET must be the full path of the socket, got %q", cfg.socket)
	}
	opts, err := redisOptions(getenv("REDISLUA_REDIS_ADDR"), getenv("REDISLUA_REDIS_PASSWORD"), getenv("REDISLUA_REDIS_TYPE"))
	if err != nil {
		return config{}, err
	}
	cfg.redis = opts
	if names := getenv("REDISLUA_OPERATIONS"); names != "" {
		cfg.only = strings.Split(names, ",")
		for _, name := range cfg.only {
			if !slices.Contains(gate.Operations(), name) {
				return config{}, fmt.Errorf("REDISLUA_OPERATIONS: there is no operation %q", name)
			}
		}
	}
	return cfg, nil
}

// redisOptions turns the three settings into client options that fail fast: a
// shopper gets a 503 with Retry-After sooner than a long wait.
func redisOptions(addr, password, kind string) (*redis.UniversalOptions, error) {
	if kind != "" && kind != "node" && kind != "cluster" {
		return nil, fmt.Errorf("redis type must be node or cluster, got %q", kind)
	}
	var addrs []string
	for _, a := range strings.Split(addr, ",") {
		if _, _, err := net.SplitHostPort(strings.TrimSpace(a)); err != nil {
			return nil, fmt.Errorf("redis address %q: %w", a, err)
		}
		addrs = append(addrs, strings.TrimSpace(a))
	}
	return &redis.UniversalOptions{
		Addrs:         addrs,
		Password:      password,
		IsClusterMode: kind == "cluster",
		DialTimeout:   time.Second,
		ReadTimeout:   time.Second,
		WriteTimeout:  time.Second,
		PoolTimeout:   time.Second,
		// Every script may be repeated, so one retry over a fresh connection hides
		// a Redis restart. More would only prolong an outage's queue.
		MaxRetries: 1,
		PoolSize:   32,
	}, nil
}

// listen takes the socket over. A file left by a dead process would hang daprd,
// which dials whatever it finds; a living process's socket is not stolen.
func listen(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("socket %s is served by another process", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket: %w", err)
	}
	lis, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	// The folder decides who gets here; the sidecar may run under the same group only.
	if err := os.Chmod(path, 0o660); err != nil { //nolint:gosec // see above
		_ = lis.Close()
		return nil, fmt.Errorf("socket mode: %w", err)
	}
	return lis, nil
}
