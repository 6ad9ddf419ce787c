// Command user owns accounts: passwords, roles and bans.
package main

import (
	"context"
	"runtime/debug"
	"time"

	"daprmall.dev/services/kit/app"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/mailbox"
	"daprmall.dev/services/user/internal/api"
	"daprmall.dev/services/user/internal/argon"
	"daprmall.dev/services/user/internal/clients"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/strength"
	"daprmall.dev/services/user/internal/user"
)

// memoryLimit is far above what the service needs without hashes, in bytes.
const memoryLimit = 16 << 20

func main() { app.Main(run) }

func run(ctx context.Context) error {
	a, err := app.Open(ctx, store.Migrations)
	if err != nil {
		return err
	}
	// A hash counts five times for kit/app's collector if a collection falls into it.
	debug.SetMemoryLimit(memoryLimit + argon.Memory())
	users := user.NewService(user.Deps{
		Store: store.New(a.DB, a.Outbox), Hasher: argon.New(), Weak: strength.Weak, Forms: mailbox.Forms,
		Sessions: clients.NewSessions(a.Sidecar),
		Secrets:  clients.NewSecrets(a.Sidecar), Mailer: clients.NewMailer(a.Sidecar),
		MailLink:       config.Of(a.Settings, keys.MailLink),
		VerifyAtSignUp: config.Of(a.Settings, keys.VerifyAtSignUp), IDs: a.IDs, Log: a.Log,
	})
	api.Routes(a.Server, a.Outbox, users, a.Sidecar)
	api.Metrics(users)
	a.Go(a.Outbox.Run)
	a.Every("mail", time.Second, users.SendMails)
	a.Every("forget", 10*time.Minute, users.ForgetMail)
	a.Every("deletions", 10*time.Second, users.RepublishDeletions)
	return a.Serve(ctx)
}
