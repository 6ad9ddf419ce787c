// Command redislua is a Dapr output binding that runs this mall's Lua scripts in Redis. It is a pluggable component: a
// small gRPC server on a Unix socket, used by one sidecar.
//
// daprd does not repeat Init when a component comes back after a crash. So the process configures itself from its
// environment and is ready before the first call; Init may only override.
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

// stopWithin is how long running calls may take after SIGTERM. Scripts take milliseconds; a call that takes longer is
// waiting for a Redis that is gone.
const stopWithin = 5 * time.Second

// redisLog writes the messages of the Redis library as JSON lines.
type redisLog struct{}

func (redisLog) Printf(ctx context.Context, format string, args ...any) {
	slog.WarnContext(ctx, fmt.Sprintf(format, args...))
}

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("app", "redislua", "instance",
		os.Getenv("APP_INSTANCE")))
	redis.SetLogger(redisLog{})
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

// config is what the environment configures.
type config struct {
	socket string
	redis  *redis.UniversalOptions
	only   []string // operations; none: all
}

// configFromEnv reads REDISLUA_SOCKET (a full path), REDISLUA_OPERATIONS (the operations that this sidecar's app may
// use, separated by commas; empty: all) and how to reach Redis (redisEnv).
func configFromEnv(getenv func(string) string) (config, error) {
	cfg := config{socket: getenv("REDISLUA_SOCKET")}
	if !filepath.IsAbs(cfg.socket) {
		return config{}, fmt.Errorf("REDISLUA_SOCKET must be the full path of the socket, got %q", cfg.socket)
	}
	opts, err := redisOptions(func(name string) string { return getenv(redisEnv[name]) })
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

// listen takes over the socket. It removes a file left by a dead process, which would make daprd hang, and refuses to
// take the socket from a process that is alive.
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
	// The directory restricts who can reach the socket. The sidecar may run as another user of the same group.
	if err := os.Chmod(path, 0o660); err != nil { //nolint:gosec // see above
		_ = lis.Close()
		return nil, fmt.Errorf("socket mode: %w", err)
	}
	return lis, nil
}
