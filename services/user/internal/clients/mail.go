package clients

import (
	"context"

	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/user/internal/user"
)

// Mailer implements user.Mailer with the binding mail.
type Mailer struct{ dapr *sidecar.Client }

// NewMailer makes the client.
func NewMailer(dapr *sidecar.Client) Mailer { return Mailer{dapr} }

// Send implements user.Mailer.
func (m Mailer) Send(ctx context.Context, mail user.Mail) error {
	return m.dapr.SendMail(ctx, mail.To, mail.Subject, mail.HTML, mail.Name)
}
