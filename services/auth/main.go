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
	r, err := app.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	set := declare(r.Live)
	raw, err := r.Sidecar.Secret(ctx, "signing-keys")
	if err != nil {
		return err
	}
	vault, err := signing.NewVault(raw)
	if err != nil {
		return err
	}
	keys := signing.NewRing(store.NewKeys(r.DB, vault), vault, set.keyRotation)
	if err := keys.Open(ctx); err != nil {
		return err
	}
	sessionStore := store.New(r.DB)
	sessions := auth.NewService(clients.NewUsers(r.Sidecar), keys, sessionStore, r.IDs, nil,
		set.accessTTL, set.lifetimes)
	if err := r.FollowKeys(ctx, "refresh-hmac", sessions.SetSecrets); err != nil {
		return err
	}
	api.Routes(r.Server, r.Inbox, sessions, keys, sessionStore)
	r.Every("forget", 10*time.Minute, sessionStore.Forget)
	r.Every("keys", time.Second, keys.Refresh)
	r.Go(r.Inbox.Run)
	return r.Serve(ctx)
}
