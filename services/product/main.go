// Command product is the product service: the catalogue, the stock ledger and the gate in front of it.
package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/product/internal/api"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/clients"
	"daprmall.dev/services/product/internal/inventory"
	"daprmall.dev/services/product/internal/store"
)

func main() { app.Main(run) }

func run(ctx context.Context) error {
	r, err := app.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	if err := r.UseIdempotency(ctx); err != nil {
		return err
	}
	cfg := newSettings(r.Live)
	metrics := api.NewMetrics(prometheus.DefaultRegisterer)
	gate := clients.NewGate(r.Sidecar)
	gateSync := inventory.NewGateSync(gate, r.Log)
	kept := store.New(r.DB, r.Outbox, gateSync.Changed)
	stock := inventory.NewService(kept, gate, cfg.holdTTL, metrics)
	products := catalog.NewService(kept, stock, cfg.currency, now)
	reconciler := inventory.NewReconciler(kept, gate, clients.NewOrders(r.Sidecar), clients.NewFeed(r.Inbox),
		cfg.holdTTL, metrics, r.Log)
	api.Routes(r.Server, r.Inbox, r.Outbox, r.Idempotency, products, stock)

	r.Go("applier", gateSync.Run)
	r.Go("expired holds", every(r.Log, "expired holds", time.Second, reconciler.ExpireHolds))
	r.Go("gate convergence", every(r.Log, "gate convergence", 30*time.Second, reconciler.Reconcile))
	r.Go("redis watch", every(r.Log, "redis watch", 2*time.Second, reconciler.WatchRedis))
	old := func(ctx context.Context) error { return kept.Archive(ctx, cfg.archive()) }
	r.Go("archive", every(r.Log, "archive", archive.Every, old))
	r.Go("outbox", r.Outbox.Run)
	r.Go("inbox", r.Inbox.Run)
	return r.Serve(ctx)
}

// now is as fine as the database keeps it, so that an answer shows what a later read will.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// every repeats a task whose failure only means that it is due again. Replicas
// drift apart by the jitter, so that they do not all work at the same moment.
func every(
	log *slog.Logger, name string, pause time.Duration, task func(context.Context) error,
) func(context.Context) error {
	return func(ctx context.Context) error {
		failing := false
		for {
			err := task(ctx)
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the end that was asked for
			}
			if (err != nil) != failing { // an outage is two lines in the log, not one a second
				failing = err != nil
				log.Warn("periodic task changed its health", "task", name, "failing", failing, "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause + rand.N(pause/5)):
			}
		}
	}
}
