package user

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"daprmall.dev/services/kit/problem"
)

// Secrets returns the one-time secret that appoints the first admin, "" if there is none.
type Secrets interface {
	FirstAdmin(ctx context.Context) (string, error)
}

// Admins makes sure that the mall keeps an admin, and gets the first one only by the secret.
type Admins interface {
	// CountAdmins counts the admins who are not banned.
	CountAdmins(ctx context.Context) (int64, error)
	// Appoint makes an account an admin for a secret (hashed). It refuses with admin_exists if the mall has an admin, with
	// secret_used if the secret has appointed one.
	Appoint(ctx context.Context, userID string, secretHash []byte) (*User, error)
}

// ErrLastAdmin refuses a change that would leave the mall without an admin: nobody could appoint one then.
var ErrLastAdmin = problem.New(problem.Conflict, "last_admin",
	"This is the last admin: make somebody else an admin first.")

// AppointFirstAdmin makes a signed-in account an admin, given the secret that the mall was set up with, if there is no
// admin yet.
func (s *Service) AppointFirstAdmin(ctx context.Context, userID, secret string) (*User, error) {
	want, err := s.secrets.FirstAdmin(ctx)
	if err != nil {
		return nil, err
	}
	hash, wanted := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(want))
	if want == "" || subtle.ConstantTimeCompare(hash[:], wanted[:]) != 1 {
		return nil, problem.New(problem.Forbidden, "wrong_secret", "This is not the secret the mall was set up with.")
	}
	u, err := s.store.Appoint(ctx, userID, hash[:])
	if err != nil {
		return nil, err
	}
	s.tell(ctx, u)
	return u, nil
}

// CountAdmins implements Admins.
func (s *Service) CountAdmins(ctx context.Context) (int64, error) { return s.store.CountAdmins(ctx) }

// Rules reports whether the account can act as an admin.
func (s Snapshot) Rules() bool { return s.Has("admin") && !s.Banned }
