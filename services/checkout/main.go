// Command checkout owns addresses and the way from a cart to an order.
package main

import (
	"context"
	"time"

	"daprmall.dev/services/checkout/internal/api"
	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/clients"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/archive"
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
	addresses, records, peers := store.New(a.DB), store.NewCheckouts(a.DB), clients.New(a.Sidecar)
	service := checkout.NewService(addresses, records, a.Idempotency, peers, peers, peers, cfg.shipping, cfg.caps,
		cfg.currency, a.Log)
	api.Routes(a.Server, a.Inbox, a.Idempotency, addresses, service)
	a.Go(a.Inbox.Run)
	a.Every("forget", time.Hour, addresses.PurgeRemoved)
	a.Every("archive", archive.Every, func(ctx context.Context) error { return records.Archive(ctx, cfg.archiveAfter()) })
	return a.Serve(ctx)
}
