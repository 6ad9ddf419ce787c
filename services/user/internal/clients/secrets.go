package clients

import (
	"context"

	"daprmall.dev/services/kit/sidecar"
)

// firstAdminSecret is the name of the mall's one-time secret in the secret store.
const firstAdminSecret = "first-admin"

// Secrets implements user.Secrets with the secret store.
type Secrets struct{ side *sidecar.Client }

// NewSecrets makes the client.
func NewSecrets(side *sidecar.Client) Secrets { return Secrets{side} }

// FirstAdmin implements user.Secrets. It reads the secret every time: a mall that has lost its admins gets a new one.
func (s Secrets) FirstAdmin(ctx context.Context) (string, error) {
	values, err := s.side.Secret(ctx, firstAdminSecret)
	return values["secret"], err
}
