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
	a, err := app.Open(ctx)
	if err != nil {
		return err
	}
	if err := a.UseIdempotency(ctx); err != nil {
		return err
	}
	carts := cart.NewService(store.New(a.Sidecar), clients.NewCatalogue(a.Sidecar), a.Idempotency,
		config.Of(a.Settings, keys.Currency))
	api.Routes(a.Server, a.Inbox, a.Idempotency, carts)
	a.Go(a.Inbox.Run)
	return a.Serve(ctx)
}
