package catalog

import "context"

// Sellers knows accounts; the user service has them.
type Sellers interface {
	// MaySell reports whether an account may sell now: it exists, is not banned, and is a seller or an admin.
	MaySell(ctx context.Context, userID string) (bool, error)
}

// ApplySeller takes the products of an account off sale if it may not sell, and puts them on sale again if it may. It
// asks for the account's present state, so events about it may be repeated and come in any order.
func (s *Service) ApplySeller(ctx context.Context, userID string) error {
	return s.store.SetSeller(ctx, userID, func(ctx context.Context) (bool, error) {
		return s.sellers.MaySell(ctx, userID)
	})
}

// ListFilter says which products an admin or their seller sees; "" is no filter.
type ListFilter struct {
	SellerID, SKU string // with a SKU only the product that has it now
	Kept          bool   // only products that were not removed
	After         string // the id of the last product of the page before
	Limit         int
}

// List returns products for an admin or their seller, by id. Also those that are not on sale.
func (s *Service) List(ctx context.Context, f ListFilter) ([]View, error) {
	return s.store.List(ctx, f)
}
