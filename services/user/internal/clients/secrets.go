package clients

import (
	"context"

	"daprmall.dev/services/kit/sidecar"
)

// firstAdminSecret is where the mall's one-time secret lies in the secret store.
const firstAdminSecret = "first-admin"

// Secrets is user.Secrets: the secret store.
type Secrets struct{ side *sidecar.Client }

// NewSecrets makes it.
func NewSecrets(side *sidecar.Client) Secrets { return Secrets{side} }

// FirstAdmin implements user.Secrets. It is asked for each time: a mall that has lost its admins gets a new
// secret.
func (s Secrets) FirstAdmin(ctx context.Context) (string, error) {
	values, err := s.side.Secret(ctx, firstAdminSecret)
	return values["secret"], err
}
