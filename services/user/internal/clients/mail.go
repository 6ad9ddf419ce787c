package clients

import (
	"context"

	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/user/internal/user"
)

// Mailer implements user.Mailer with the binding mail.
type Mailer struct{ side *sidecar.Client }

// NewMailer makes the client.
func NewMailer(side *sidecar.Client) Mailer { return Mailer{side} }

// Send implements user.Mailer.
func (m Mailer) Send(ctx context.Context, mail user.Mail) error {
	return m.side.SendMail(ctx, mail.To, mail.Subject, mail.HTML, mail.Name)
}
