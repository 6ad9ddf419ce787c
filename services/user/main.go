// Command user owns accounts: passwords, roles and bans.
package main

import (
	"context"

	"daprmall.dev/services/kit/room"
	"daprmall.dev/services/user/internal/api"
	"daprmall.dev/services/user/internal/argon"
	"daprmall.dev/services/user/internal/peers"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/strength"
	"daprmall.dev/services/user/internal/user"
)

func main() { room.Main(run) }

func run(ctx context.Context) error {
	r, err := room.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	users := user.NewService(store.New(r.DB, r.Outbox), argon.New(), strength.Weak,
		peers.NewSessions(r.Sidecar), peers.NewSecrets(r.Sidecar), r.IDs, r.Log)
	api.Routes(r.Server, r.Outbox, users)
	api.Metrics(users)
	r.Go("outbox", r.Outbox.Run)
	return r.Serve(ctx)
}
