package catalog

import (
	"context"

	"daprmall.dev/services/product/internal/inventory"
)

// Store keeps the catalogue. Each method is one transaction, or joins the caller's.
type Store interface {
	// Search lists products that are for sale.
	Search(ctx context.Context, q Query) (Page, error)
	// Get returns one product that was not removed, or Missing.
	Get(ctx context.Context, id string) (View, error)
	// Views returns those of the products that exist, removed ones included, by one query.
	Views(ctx context.Context, ids []string) ([]View, error)
	// Create stores a product and opens its ledger. A second run with the same id returns what the first one stored.
	Create(ctx context.Context, p *Product, first inventory.Entry) (View, error)
	// List returns products by id, those after an id ("" for the first): all, or those of a seller.
	List(ctx context.Context, sellerID, after string, limit int) ([]View, error)
	// SetSeller stores whether a seller's products are on sale. It asks that while it holds the seller's lock.
	SetSeller(ctx context.Context, sellerID string, maySell func(context.Context) (bool, error)) error
	// Change locks a product, lets f change it, and keeps it.
	Change(ctx context.Context, id string, f func(*Product) error) (View, error)
}
