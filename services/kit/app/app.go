// Package app opens what every service has: its sidecar, database, ids, inbox, outbox and settings. Only mains use it.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	_ "golang.org/x/crypto/x509roots/fallback" // whom to trust in an image that has no such list
	"gorm.io/gorm"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/ids/lease"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/server"
	"daprmall.dev/services/kit/settings"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/telemetry"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/kit/worker"
)

// openFor bounds how long a start waits for its sidecar and database: services start in any order.
const openFor = 90 * time.Second

// App is an opened service. Idempotency is nil until UseIdempotency. The main function adds the service's workers with
// Go and Every: a service that publishes events runs its Outbox, one that consumes events runs its Inbox. The workers
// of ids, settings, secrets and connection pools are added here.
type App struct {
	Env         config.Env
	Log         *slog.Logger
	Sidecar     *sidecar.Client
	Settings    *config.Live
	DB          *gorm.DB
	IDs         *lease.Source
	Outbox      *outbox.Outbox
	Inbox       *inbox.Inbox
	Idempotency *idempotency.Store
	Verifier    *identity.Verifier
	Server      *server.Server

	workers []func(ctx context.Context)
}

// Main runs a process until SIGTERM or Ctrl-C and exits once: 0 for an orderly end, 1 with the reason logged.
func Main(run func(ctx context.Context) error) {
	// A service's live memory is a few megabytes, and Go would collect garbage every few megabytes: trade some memory for
	// processor time.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// Open waits for the sidecar, opens the service's database and migrates it. The tables of ids, outbox, inbox and
// idempotency always exist: they cost nothing while they are empty.
func Open(ctx context.Context, own ...postgres.Migrations) (*App, error) {
	env, err := config.FromEnv()
	if err != nil {
		return nil, err
	}
	log := telemetry.Logger(os.Stderr, env.AppID, env.Instance, slog.LevelInfo)
	slog.SetDefault(log)
	dapr, err := sidecar.New(env)
	if err != nil {
		return nil, err
	}
	a := &App{Env: env, Log: log, Sidecar: dapr, Verifier: identity.NewVerifier(dapr.Keys)}
	opening, cancel := context.WithTimeout(ctx, openFor)
	defer cancel()
	if err := dapr.Wait(opening); err != nil {
		return nil, err
	}
	if err := dapr.UsePeerKeys(opening); err != nil {
		return nil, err
	}
	callers, err := dapr.CallerKeys(opening)
	if err != nil {
		return nil, err
	}
	if a.DB, err = a.OpenDB(opening, env.AppID+"-db"); err != nil {
		return nil, err
	}
	migrations := append([]postgres.Migrations{
		postgres.Defaults, lease.Migrations, outbox.Migrations, inbox.Migrations, idempotency.Migrations, settings.Migrations,
	}, own...)
	if err := postgres.Migrate(opening, a.DB, migrations...); err != nil {
		return nil, err
	}
	if a.IDs, err = lease.NewSource(opening, a.DB, log); err != nil {
		return nil, err
	}
	a.Settings = config.NewLive(dapr, settings.New(a.DB), log)
	promauto.NewGaugeFunc(
		prometheus.GaugeOpts{
			Name: "mall_settings_missing",
			Help: "Settings that are needed and not known: what needs them is refused.",
		},
		func() float64 { return float64(len(a.Settings.Missing())) },
	)
	promauto.NewGaugeFunc(
		prometheus.GaugeOpts{
			Name: "mall_settings_lost",
			Help: "Settings that the configuration store has lost: their last good values are used.",
		},
		func() float64 { return float64(a.Settings.Lost()) },
	)
	prometheus.MustRegister(config.Metrics(a.Settings))
	a.Outbox = outbox.New(a.DB, env.AppID, dapr, log)
	a.Inbox = inbox.New(a.DB, dapr, log)
	a.Inbox.CatchUpEvery = config.Of(a.Settings, keys.CatchUpEvery)
	a.Server = server.New(env, log, a.Verifier,
		web.Check{Name: "sidecar", Ask: dapr.Ready},
		web.Check{Name: "database", Ask: func(ctx context.Context) error { return postgres.Ping(ctx, a.DB) }},
		web.Check{Name: "settings", Ask: func(context.Context) error { return web.MissingSettings(a.Settings.Missing()) }})
	a.Server.MissingSettings = a.Settings.Missing
	a.Server.ServeSettings(a.Settings)
	a.Server.RequireCallerKeys(callers)
	a.KeepPoolSize(a.DB)
	a.Go(a.IDs.Run)
	a.Go(a.Settings.Run)
	return a, nil
}

var secretRead = promauto.NewGaugeVec(prometheus.GaugeOpts{Name: "mall_secret_read_timestamp_seconds",
	Help: "When a secret that may change was read last."}, []string{"secret"})

// readSecret reads a secret that may change.
func (a *App) readSecret(ctx context.Context, name string) (map[string]string, error) {
	secret, err := a.Sidecar.Secret(ctx, name)
	if err == nil {
		secretRead.WithLabelValues(name).Set(float64(time.Now().UnixMilli()) / 1000)
	}
	return secret, err
}

// secretsEvery is how often secrets are read again, so that a change takes effect without a restart.
const secretsEvery = 10 * time.Second

// OpenDB opens the database that a secret names: "dsn", or "other_dsn" while the password in the first is not valid.
func (a *App) OpenDB(ctx context.Context, name string) (*gorm.DB, error) {
	var dsns atomic.Pointer[[]string]
	read := func(ctx context.Context) error {
		secret, err := a.readSecret(ctx, name)
		if err != nil {
			return err
		}
		all := []string{secret["dsn"]}
		if other := secret["other_dsn"]; other != "" {
			all = append(all, other)
		}
		dsns.Store(&all)
		return nil
	}
	if err := read(ctx); err != nil {
		return nil, err
	}
	a.Every("database secret", secretsEvery, read)
	return postgres.Open(ctx, func() []string { return *dsns.Load() })
}

// UseIdempotency prepares the store of idempotency keys.
func (a *App) UseIdempotency(ctx context.Context) error {
	a.Idempotency = idempotency.New(a.DB, a.IDs, nil, a.Log)
	a.Go(a.Idempotency.Run)
	return a.FollowKeys(ctx, "idempotency-hmac", a.Idempotency.SetSecrets)
}

// readKeys reads a secret that has a "key" and, while the key is being changed, an "other": what was made with the
// other key is accepted too.
func (a *App) readKeys(ctx context.Context, name string) (current []byte, others [][]byte, err error) {
	secret, err := a.readSecret(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if secret["key"] == "" {
		return nil, nil, fmt.Errorf("secret %s has no key", name)
	}
	if other := secret["other"]; other != "" {
		others = append(others, []byte(other))
	}
	return []byte(secret["key"]), others, nil
}

// FollowKeys calls use with the keys of a secret: now, and whenever the secret is read again.
func (a *App) FollowKeys(ctx context.Context, name string, use func(current []byte, others ...[]byte)) error {
	read := func(ctx context.Context) error {
		current, others, err := a.readKeys(ctx, name)
		if err == nil {
			use(current, others...)
		}
		return err
	}
	if err := read(ctx); err != nil {
		return err
	}
	a.Every(name, secretsEvery, read)
	return nil
}

// Go adds work that runs beside the server until its context ends.
func (a *App) Go(run func(ctx context.Context)) { a.workers = append(a.workers, run) }

// Every adds a worker that does its work again and again, with this pause before each time, also before the first.
func (a *App) Every(name string, pause time.Duration, work func(ctx context.Context) error) {
	a.Go(worker.Loop{Name: name, Log: a.Log, Every: worker.Pause(pause), Work: work}.Run)
}

// Serve reads the settings once, runs the workers and serves until ctx ends; workers end after the last request.
func (a *App) Serve(ctx context.Context) error {
	if err := a.Settings.Restore(ctx); err != nil {
		return err
	}
	if err := a.Settings.Refresh(ctx); err != nil {
		a.Log.Warn("starting with the last known settings", "error", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	for _, run := range a.workers {
		wg.Go(func() { run(background) })
	}
	err := server.Run(ctx, a.Env, a.Log, a.Server)
	stop()
	wg.Wait()
	return err
}
