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
	kept, others := store.New(r.DB), clients.New(r.Sidecar)
	service := checkout.NewService(kept, others, others, others, set.shipping, set.currency, r.Log)
	api.Routes(r.Server, r.Inbox, r.Idempotency, kept, service)
	r.Go(r.Inbox.Run)
	r.Every("forget", time.Hour, kept.Forget)
	return r.Serve(ctx)
}
