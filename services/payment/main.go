// Command payment owns bills, attempts to pay them, and refunds.
package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/payment/internal/api"
	"daprmall.dev/services/payment/internal/clients"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
	"daprmall.dev/services/payment/internal/stripe"
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
	providers, err := open(ctx, r, set)
	if err != nil {
		return err
	}
	for _, p := range providers {
		set.known[p.Name()] = true
	}
	kept := store.New(r.DB, r.Outbox)
	payments := payment.NewService(kept, clients.NewOrders(r.Sidecar), r.Idempotency, providers, set.provider, r.Log)
	health := api.NewHealth(prometheus.DefaultRegisterer, payments, r.Log)
	r.Server.Check(health.Check())
	api.Routes(r.Server, r.Inbox, r.Outbox, r.Idempotency, payments)
	r.Every("settle", time.Second, payments.SettleDue)
	r.Every("refund", 500*time.Millisecond, payments.RefundDue)
	r.Every("health", 10*time.Second, health.Look)
	r.Every("archive", archive.Every, func(ctx context.Context) error { return kept.Archive(ctx, set.archive()) })
	r.Go(r.Outbox.Run)
	r.Go(r.Inbox.Run)
	return r.Serve(ctx)
}

// open prepares each provider that has its secret. Attempts and refunds of others wait.
func open(ctx context.Context, r *app.App, set settings) ([]payment.Provider, error) {
	var providers []payment.Provider
	secret, err := r.Sidecar.Secret(ctx, "sandbox-db")
	if err != nil || secret["dsn"] == "" {
		r.Log.Warn("the payment provider sandbox is not set up", "error", err)
	} else {
		opening, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		db, err := r.OpenDB(opening, "sandbox-db")
		if err != nil {
			return nil, err
		}
		if err := postgres.Migrate(opening, db, sandbox.Migrations); err != nil {
			return nil, err
		}
		r.Pool(db)
		providers = append(providers, sandbox.New(db))
	}
	secret, err = r.Sidecar.Secret(ctx, "stripe")
	if err != nil || secret["api_key"] == "" {
		r.Log.Info("the payment provider stripe is not set up", "error", err)
	} else {
		providers = append(providers, stripe.New(stripe.Config{APIKey: secret["api_key"],
			WebhookSecret: secret["webhook_secret"], URL: secret["api_url"], ReturnURL: set.returnURL}))
	}
	return providers, nil
}
