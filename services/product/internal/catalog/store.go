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
	// Offers returns those of the products that exist, each once, removed ones included.
	Offers(ctx context.Context, ids []string) ([]Offer, error)
	// OffersFor is Offers with what unpaid orders of a shopper have reserved of the products, by the same query; "" is no
	// shopper.
	OffersFor(ctx context.Context, shopperID string, ids []string) ([]Offer, []inventory.OwnUnits, error)
	// BySKU returns the product of a seller with a sku that was not removed, or Missing.
	BySKU(ctx context.Context, sellerID, sku string) (View, error)
	// Create stores a product and opens its ledger. A second run with the same id returns what the first one stored. It
	// refuses a sku that another product of the seller has (SKUTaken).
	Create(ctx context.Context, p *Product, first inventory.Entry) (View, error)
	// List returns products by id.
	List(ctx context.Context, f ListFilter) ([]View, error)
	// Categories returns how many products are on sale in each writing of a category.
	Categories(ctx context.Context) ([]WrittenCategory, error)
	// SetSeller stores whether a seller's products are on sale. It asks that while it holds the seller's lock.
	SetSeller(ctx context.Context, sellerID string, maySell func(context.Context) (bool, error)) error
	// Change locks a product, lets f change it, and keeps it if f made another version. It refuses a sku that another
	// product of the seller has (SKUTaken).
	Change(ctx context.Context, id string, f func(*Product) error) (View, error)
}
