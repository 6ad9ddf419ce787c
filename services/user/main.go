// Command user owns accounts: passwords, roles and bans.
package main

import (
	"context"
	"time"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/user/internal/api"
	"daprmall.dev/services/user/internal/argon"
	"daprmall.dev/services/user/internal/clients"
	"daprmall.dev/services/user/internal/lookalike"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/strength"
	"daprmall.dev/services/user/internal/user"
)

func main() { app.Main(run) }

func run(ctx context.Context) error {
	r, err := app.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	users := user.NewService(user.Deps{
		Store: store.New(r.DB, r.Outbox), Hasher: argon.New(), Weak: strength.Weak, LooksAlike: lookalike.Has,
		Sessions: clients.NewSessions(r.Sidecar),
		Secrets:  clients.NewSecrets(r.Sidecar), Mailer: clients.NewMailer(r.Sidecar),
		MailLink:       config.Of(r.Live, keys.MailLink),
		VerifyAtSignUp: config.Of(r.Live, keys.VerifyAtSignUp), IDs: r.IDs, Log: r.Log,
	})
	api.Routes(r.Server, r.Outbox, users)
	api.Metrics(users)
	r.Go(r.Outbox.Run)
	r.Every("mail", time.Second, users.SendMails)
	r.Every("forget", 10*time.Minute, users.ForgetMail)
	r.Every("deletions", 10*time.Second, users.TellDeletionsAgain)
	return r.Serve(ctx)
}
