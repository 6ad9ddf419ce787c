// Command cart owns shopping carts, documents in the Dapr state store. Its database keeps only what events and
// idempotency keys it has seen.
package main

import (
	"context"

	"daprmall.dev/services/cart/internal/api"
	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/cart/internal/clients"
	"daprmall.dev/services/cart/internal/store"
	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

func main() { app.Main(run) }

func run(ctx context.Context) error {
	r, err := app.Open(ctx)
	if err != nil {
		return err
	}
	if err := r.UseIdempotency(ctx); err != nil {
		return err
	}
	carts := cart.NewService(store.New(r.Sidecar), clients.NewCatalogue(r.Sidecar), config.Of(r.Live, keys.Currency))
	api.Routes(r.Server, r.Inbox, r.Idempotency, carts)
	r.Go(r.Inbox.Run)
	return r.Serve(ctx)
}
