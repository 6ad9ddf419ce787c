// Command payment owns bills, attempts to pay them, and refunds.
package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/payment/internal/api"
	"daprmall.dev/services/payment/internal/clients"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/store"
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
	providers, err := openProviders(ctx, a, cfg)
	if err != nil {
		return err
	}
	for _, p := range providers {
		cfg.providers[p.Name()] = p
	}
	paymentStore := store.New(a.DB, a.Outbox)
	payments := payment.NewService(paymentStore, clients.NewOrders(a.Sidecar), a.Idempotency, providers, cfg.provider,
		a.Log)
	health := api.NewHealth(prometheus.DefaultRegisterer, payments, a.Log)
	a.Server.Check(health.Check())
	api.Routes(a.Server, a.Inbox, a.Outbox, a.Idempotency, payments)
	a.Every("settle", time.Second, payments.SettleDue)
	a.Every("refund", time.Second, payments.RefundDue)
	a.Every("health", 10*time.Second, health.Update)
	a.Every("archive", archive.Every, func(ctx context.Context) error {
		return paymentStore.Archive(ctx, cfg.archiveAfter())
	})
	a.Go(a.Outbox.Run)
	a.Go(a.Inbox.Run)
	return a.Serve(ctx)
}
