// Command product is the product service: the catalogue, the stock ledger and the gate in front of it.
package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/worker"
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
	gateSync := inventory.NewGateSync(gate)
	kept := store.New(r.DB, r.Outbox, gateSync.Changed)
	stock := inventory.NewService(kept, gate, cfg.holdTTL, metrics)
	products := catalog.NewService(kept, stock, cfg.currency, now)
	reconciler := inventory.NewReconciler(kept, gate, clients.NewOrders(r.Sidecar), clients.NewFeed(r.Inbox),
		cfg.holdTTL, metrics, r.Log)
	api.Routes(r.Server, r.Inbox, r.Outbox, r.Idempotency, products, stock)

	r.Go(worker.Loop{Name: "gate sync", Log: r.Log, Wake: gateSync.Wake(), Retry: inventory.ApplyRetry,
		Work: gateSync.Apply}.Run)
	every(r, "expired holds", time.Second, reconciler.ExpireHolds)
	every(r, "gate convergence", 30*time.Second, reconciler.Reconcile)
	every(r, "redis watch", 2*time.Second, reconciler.WatchRedis)
	every(r, "archive", archive.Every, func(ctx context.Context) error { return kept.Archive(ctx, cfg.archive()) })
	r.Go(r.Outbox.Run)
	r.Go(r.Inbox.Run)
	return r.Serve(ctx)
}

// now is rounded to the database's precision, so that an answer shows what a later read will.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// every makes a worker that begins at once. Its pauses vary, so that replicas do not all work at the same moment.
func every(r *app.App, name string, pause time.Duration, work func(context.Context) error) {
	r.Go(worker.Loop{Name: name, Log: r.Log, AtOnce: true, Every: worker.Spread(pause, pause/5), Work: work}.Run)
}
