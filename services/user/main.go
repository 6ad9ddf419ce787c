// Command user owns accounts: passwords, roles and bans.
package main

import (
	"context"
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/room"
	"daprmall.dev/services/user/internal/api"
	"daprmall.dev/services/user/internal/argon"
	"daprmall.dev/services/user/internal/lookalike"
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
	users := user.NewService(user.Deps{
		Store: store.New(r.DB, r.Outbox), Hasher: argon.New(), Weak: strength.Weak, LooksAlike: lookalike.Has, Sessions: peers.NewSessions(r.Sidecar),
		Secrets: peers.NewSecrets(r.Sidecar), Mailer: peers.NewMailer(r.Sidecar), MailLink: config.Of(r.Live, keys.MailLink),
		VerifyAtSignUp: config.Of(r.Live, keys.VerifyAtSignUp), IDs: r.IDs, Log: r.Log,
	})
	api.Routes(r.Server, r.Outbox, users)
	api.Metrics(users)
	r.Go("outbox", r.Outbox.Run)
	r.Go("mail", room.Every(r.Log, time.Second, users.SendMails))
	r.Go("forget", room.Every(r.Log, 10*time.Minute, users.ForgetMail))
	r.Go("deletions", room.Every(r.Log, 10*time.Second, users.TellDeletionsAgain))
	return r.Serve(ctx)
}
