// Command cart owns shopping carts, documents in the Dapr state store. Its database keeps only what events and
// idempotency keys it has seen.
package main

import (
	"context"

	"daprmall.dev/services/cart/internal/api"
	"daprmall.dev/services/cart/internal/cart"
	"daprmall.dev/services/cart/internal/peers"
	"daprmall.dev/services/cart/internal/store"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/room"
)

func main() { room.Main(run) }

func run(ctx context.Context) error {
	r, err := room.Open(ctx)
	if err != nil {
		return err
	}
	if err := r.UseIdempotency(ctx); err != nil {
		return err
	}
	carts := cart.NewService(store.New(r.Sidecar), peers.NewCatalogue(r.Sidecar), config.Of(r.Live, keys.Currency))
	api.Routes(r.Server, r.Inbox, r.Idempotency, carts)
	r.Go("inbox", r.Inbox.Run)
	return r.Serve(ctx)
}
