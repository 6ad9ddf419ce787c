package clients

import (
	"context"

	"daprmall.dev/services/kit/sidecar"
)

// firstAdminSecret is the name of the mall's one-time secret in the secret store.
const firstAdminSecret = "first-admin"

// Secrets implements user.Secrets with the secret store.
type Secrets struct{ dapr *sidecar.Client }

// NewSecrets makes the client.
func NewSecrets(dapr *sidecar.Client) Secrets { return Secrets{dapr} }

// FirstAdmin implements user.Secrets. It reads the secret every time: a mall that has lost its admins gets a new one.
func (s Secrets) FirstAdmin(ctx context.Context) (string, error) {
	values, err := s.dapr.Secret(ctx, firstAdminSecret)
	return values["secret"], err
}
