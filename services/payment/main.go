// Command payment owns bills, attempts to pay them, and refunds.
package main

import (
	"context"
	"errors"
	"time"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/room"
	"daprmall.dev/services/payment/internal/api"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/peers"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
	"daprmall.dev/services/payment/internal/stripe"
)

func main() { room.Main(run) }

func run(ctx context.Context) error {
	r, err := room.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	if err := r.UseIdempotency(ctx); err != nil {
		return err
	}
	providers, err := open(ctx, r)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, p := range providers {
		known[p.Name()] = true
	}
	use := declare(r.Live, known)
	payments := payment.NewService(store.New(r.DB, r.Outbox), peers.NewOrders(r.Sidecar), providers, use, r.Log)
	api.Routes(r.Server, r.Inbox, r.Outbox, r.Idempotency, payments)
	r.Go("settle", room.Every(r.Log, time.Second, payments.SettleDue))
	r.Go("refund", room.Every(r.Log, 500*time.Millisecond, payments.RefundDue))
	r.Go("outbox", r.Outbox.Run)
	r.Go("inbox", r.Inbox.Run)
	return r.Serve(ctx)
}

// open prepares each provider that has its secret.
func open(ctx context.Context, r *room.Room) ([]payment.Provider, error) {
	var providers []payment.Provider
	if secret, err := r.Sidecar.Secret(ctx, "sandbox-db"); err == nil && secret["dsn"] != "" {
		opening, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		db, err := postgres.Open(opening, secret["dsn"])
		if err != nil {
			return nil, err
		}
		if err := postgres.Migrate(opening, db, sandbox.Migrations); err != nil {
			return nil, err
		}
		providers = append(providers, sandbox.New(db))
	}
	if secret, err := r.Sidecar.Secret(ctx, "stripe"); err == nil && secret["api_key"] != "" {
		providers = append(providers, stripe.New(secret["api_key"], secret["api_url"]))
	}
	if len(providers) == 0 {
		return nil, errors.New("no payment provider: the secret store has neither sandbox-db nor stripe")
	}
	return providers, nil
}
