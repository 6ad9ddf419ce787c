// Command auth owns sessions and the mall's private signing keys.
package main

import (
	"context"
	"time"

	"daprmall.dev/services/auth/internal/api"
	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/clients"
	"daprmall.dev/services/auth/internal/signing"
	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/kit/app"
)

func main() { app.Main(run) }

func run(ctx context.Context) error {
	a, err := app.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	cfg := declareSettings(a.Settings)
	raw, err := a.Sidecar.Secret(ctx, "signing-keys")
	if err != nil {
		return err
	}
	vault, err := signing.NewVault(raw)
	if err != nil {
		return err
	}
	keys := signing.NewRing(store.NewKeys(a.DB, vault), vault, cfg.keyRotation)
	if err := keys.Open(ctx); err != nil {
		return err
	}
	sessionStore := store.New(a.DB)
	sessions := auth.NewService(clients.NewUsers(a.Sidecar), keys, sessionStore, a.IDs, nil,
		cfg.accessTTL, cfg.lifetimes)
	if err := a.FollowKeys(ctx, "refresh-hmac", sessions.SetSecrets); err != nil {
		return err
	}
	api.Routes(a.Server, a.Inbox, sessions, keys, sessionStore)
	a.Every("forget", 10*time.Minute, sessionStore.Purge)
	a.Every("keys", time.Second, keys.Refresh)
	a.Go(a.Inbox.Run)
	return a.Serve(ctx)
}
