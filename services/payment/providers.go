package main

import (
	"context"
	"time"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/stripe"
)

// openProviders prepares each provider that has its secret. Attempts and refunds of others wait.
func openProviders(ctx context.Context, a *app.App, cfg settings) ([]payment.Provider, error) {
	var providers []payment.Provider
	secret, err := a.Sidecar.Secret(ctx, "sandbox-db")
	if err != nil || secret["dsn"] == "" {
		a.Log.Warn("the payment provider sandbox is not set up", "error", err)
	} else {
		opening, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		db, err := a.OpenDB(opening, "sandbox-db")
		if err != nil {
			return nil, err
		}
		if err := postgres.Migrate(opening, db, sandbox.Migrations); err != nil {
			return nil, err
		}
		a.KeepPoolSize(db)
		providers = append(providers, sandbox.New(db))
	}
	secret, err = a.Sidecar.Secret(ctx, "stripe")
	if err != nil || secret["api_key"] == "" {
		a.Log.Info("the payment provider stripe is not set up", "error", err)
	} else {
		providers = append(providers, stripe.New(stripe.Config{APIKey: secret["api_key"],
			WebhookSecret: secret["webhook_secret"], URL: secret["api_url"], ReturnURL: cfg.returnURL}))
	}
	return providers, nil
}
