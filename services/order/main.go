// Command order owns orders: their states, their history and how long they may stay unpaid.
package main

import (
	"context"
	"time"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/order/internal/api"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
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
	orderStore := store.New(a.DB, a.Outbox)
	orders := order.NewService(orderStore, a.Idempotency, cfg.paymentTimeout, cfg.cancelGrace)
	api.Routes(a.Server, a.Inbox, a.Outbox, a.Idempotency, orders)
	a.Every("deadlines", time.Second, func(ctx context.Context) error {
		n, err := orders.CancelDue(ctx)
		if n > 0 {
			a.Log.Info("orders cancelled that nobody paid in time", "count", n)
		}
		return err
	})
	a.Every("archive", archive.Every, func(ctx context.Context) error {
		return orderStore.Archive(ctx,
			cfg.archiveAfter())
	})
	a.Go(a.Outbox.Run)
	a.Go(a.Inbox.Run)
	return a.Serve(ctx)
}
