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
	r, err := app.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	if err := r.UseIdempotency(ctx); err != nil {
		return err
	}
	set := declare(r.Live)
	kept := store.New(r.DB, r.Outbox)
	orders := order.NewService(kept, set.paymentTimeout, set.cancelGrace)
	api.Routes(r.Server, r.Inbox, r.Outbox, r.Idempotency, orders)
	r.Every("deadlines", time.Second, func(ctx context.Context) error {
		n, err := orders.CancelDue(ctx)
		if n > 0 {
			r.Log.Info("orders cancelled that nobody paid in time", "count", n)
		}
		return err
	})
	r.Every("archive", archive.Every, func(ctx context.Context) error { return kept.Archive(ctx, set.archiveAfter()) })
	r.Go(r.Outbox.Run)
	r.Go(r.Inbox.Run)
	return r.Serve(ctx)
}
