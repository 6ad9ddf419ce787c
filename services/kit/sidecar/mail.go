package sidecar

import (
	"context"
	"fmt"
	"time"

	dapr "github.com/dapr/go-sdk/client"

	"daprmall.dev/services/kit/problem"
)

// Mail is the binding that sends mail: an SMTP server, or a folder.
const Mail = "mail"

// SendMail returns a mail to the binding. name identifies it where mails are files. Mails are sent one after the other:
// bindings.smtp (components-contrib 1.18) keeps a mail's address where the next one overwrites it.
func (c *Client) SendMail(ctx context.Context, to, subject, html, name string) error {
	c.mailing.Lock()
	defer c.mailing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err := c.grpc.InvokeBinding(ctx, &dapr.InvokeBindingRequest{Name: Mail, Operation: "create", Data: []byte(html),
		Metadata: map[string]string{"emailTo": to, "subject": subject, "fileName": name + ".html"}})
	if err != nil {
		return problem.NewUnavailable(fmt.Errorf("binding %s: %w", Mail, err), time.Second, "Mail cannot be sent right now.")
	}
	return nil
}
