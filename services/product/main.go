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
	"daprmall.dev/services/product/internal/picture"
	"daprmall.dev/services/product/internal/store"
)

func main() { app.Main(run) }

func run(ctx context.Context) error {
	a, err := app.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	if err := a.UseIdempotency(ctx); err != nil {
		return err
	}
	cfg := declareSettings(a.Settings)
	metrics := api.NewMetrics(prometheus.DefaultRegisterer)
	gate := clients.NewGate(a.Sidecar)
	gateSync := inventory.NewGateSync(gate)
	productStore := store.New(a.DB, a.Outbox, gateSync.Enqueue)
	stock := inventory.NewService(productStore, gate, cfg.holdTTL, metrics)
	products := catalog.NewService(productStore, stock, clients.NewSellers(a.Sidecar), a.Idempotency,
		a.IDs, cfg.currency, now)
	reconciler := inventory.NewReconciler(productStore, gate, clients.NewOrders(a.Sidecar), clients.NewFeed(a.Inbox),
		cfg.holdTTL, metrics, a.Log)
	uploads := catalog.NewUploads(products, productStore, clients.NewPictures(a.Sidecar), picture.Convert,
		cfg.uploadsPerDay)
	imports := catalog.NewImporter(productStore, a.IDs, cfg.currency, now)
	operator := inventory.NewOperator(productStore, gate, clients.NewOrders(a.Sidecar), a.Idempotency, a.Log)
	api.Routes(a.Server, a.Inbox, a.Outbox, a.Idempotency, products, stock, imports, uploads,
		operator)

	a.Go(worker.Loop{Name: "gate sync", Log: a.Log, Wake: gateSync.Wake(), Retry: inventory.ApplyRetry,
		Work: gateSync.Apply}.Run)
	everyAtOnce(a, "expired holds", time.Second, reconciler.ExpireHolds)
	everyAtOnce(a, "gate convergence", 30*time.Second, reconciler.Reconcile)
	everyAtOnce(a, "redis watch", 2*time.Second, reconciler.WatchRedis)
	a.Go(worker.Loop{Name: "imports", Log: a.Log, AtOnce: true, Wake: imports.Wake(), Retry: time.Second,
		Every: worker.PauseWithJitter(2*time.Second, time.Second), Work: worker.Drain(imports.Step)}.Run)
	a.Every("import purge", time.Hour, imports.Purge)
	everyAtOnce(a, "categories", time.Minute, worker.Drain(productStore.IndexCategories))
	everyAtOnce(a, "search index", time.Minute, worker.Drain(productStore.IndexAgain))
	everyAtOnce(a, "archive", archive.Every, func(ctx context.Context) error {
		return productStore.Archive(ctx,
			cfg.archiveAfter())
	})
	a.Go(a.Outbox.Run)
	a.Go(a.Inbox.Run)
	return a.Serve(ctx)
}

// now is rounded to the database's precision, so that an answer shows what a later read will.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// everyAtOnce is app.Every for work that must not wait for its first pause. Its pauses vary, so that replicas do not
// all work at the same moment.
func everyAtOnce(a *app.App, name string, pause time.Duration, work func(context.Context) error) {
	a.Go(worker.Loop{Name: name, Log: a.Log, AtOnce: true, Every: worker.PauseWithJitter(pause, pause/5), Work: work}.Run)
}
