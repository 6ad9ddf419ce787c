package clients

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/product/internal/catalog"
)

// Sellers is catalog.Sellers through the sidecar.
type Sellers struct{ sidecar Invoker }

// NewSellers makes a client of user.
func NewSellers(side Invoker) *Sellers { return &Sellers{sidecar: side} }

var _ catalog.Sellers = (*Sellers)(nil)

// MaySell implements catalog.Sellers.
func (s *Sellers) MaySell(ctx context.Context, userID string) (bool, error) {
	var out userv1.GetAnswer
	err := s.sidecar.Invoke(ctx, sidecar.Request{App: "user", Method: http.MethodPost, Path: userv1.PathGet,
		In: userv1.GetRequest{UserID: userID}, Out: &out, System: true})
	if err != nil || out.User == nil {
		return false, err
	}
	if out.User.ID != userID {
		return false, fmt.Errorf("asked for account %s, user answered %s", userID, out.User.ID)
	}
	sells := func(role string) bool { return role == identity.Seller || role == identity.Admin }
	return !out.User.Banned && slices.ContainsFunc(out.User.Roles, sells), nil
}
