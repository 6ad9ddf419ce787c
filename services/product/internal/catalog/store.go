package catalog

import (
	"context"

	"daprmall.dev/services/product/internal/inventory"
)

// Store keeps the catalogue. Each method is one transaction, or joins the caller's.
type Store interface {
	// Search lists products that are for sale.
	Search(ctx context.Context, q Query) (Page, error)
	// Get returns one product that is for sale, or Missing.
	Get(ctx context.Context, id string) (View, error)
	// Views returns those of the products that exist, removed ones included, by one query.
	Views(ctx context.Context, ids []string) ([]View, error)
	// Create stores a product and opens its ledger. A second run with the same id returns what the first one stored.
	Create(ctx context.Context, p *Product, first inventory.Entry) (View, error)
	// Change locks a product, lets f change it, and keeps it.
	Change(ctx context.Context, id string, f func(*Product) error) (View, error)
}
