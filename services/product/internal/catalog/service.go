package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/product/internal/inventory"
)

// Inventory is what the catalogue needs of stock; inventory.Service implements it.
type Inventory interface {
	// Hold takes all lines of an order or none, once per order id.
	Hold(ctx context.Context, r inventory.HoldRequest) (inventory.HoldResult, error)
	// Adjust changes stock by hand.
	Adjust(ctx context.Context, a inventory.Adjustment) (inventory.Stock, error)
	// Ledger returns the entries of a product's ledger, newest first, those before a version of the stock (0 for all).
	Ledger(ctx context.Context, productID string, before int64, limit int) ([]inventory.Entry, error)
}

// IDs makes the ids of products.
type IDs interface{ Next() (string, error) }

// Service is the use cases of the catalogue: what shoppers read and sellers change.
type Service struct {
	store     Store
	inventory Inventory
	sellers   Sellers
	keys      keyed.Runner
	ids       IDs
	currency  func() string
	now       func() time.Time
}

// NewService makes the use cases of the catalogue; currency gives the mall's present one.
func NewService(store Store, stock Inventory, sellers Sellers, keys keyed.Runner, ids IDs, currency func() string,
	now func() time.Time) *Service {
	return &Service{store: store, inventory: stock, sellers: sellers, keys: keys, ids: ids, currency: currency, now: now}
}

// Currency is the mall's present one.
func (s *Service) Currency() string { return s.currency() }

// Search lists products for sale.
func (s *Service) Search(ctx context.Context, q Query) (Page, error) {
	q, err := q.Normal()
	if err != nil {
		return Page{}, err
	}
	return s.store.Search(ctx, q)
}

// Categories lists the categories with products on sale, by key, those after the key after ("" for the first).
func (s *Service) Categories(ctx context.Context, after string, limit int) ([]Category, error) {
	written, err := s.store.Categories(ctx)
	if err != nil {
		return nil, err
	}
	tree := CategoryTree(written)
	from, found := slices.BinarySearchFunc(tree, after, func(c Category, key string) int {
		return strings.Compare(c.Key, key)
	})
	if found {
		from++
	}
	return tree[from:min(from+limit, len(tree))], nil
}

// Get returns one product that is for sale.
func (s *Service) Get(ctx context.Context, id string) (View, error) {
	v, err := s.store.Get(ctx, id)
	if err == nil && !v.OnSale() {
		return View{}, Missing()
	}
	return v, err
}

// Offers returns those of the products that exist, removed ones included.
func (s *Service) Offers(ctx context.Context, ids []string) ([]Offer, error) {
	return s.store.Offers(ctx, ids)
}

// CreateOnce is Create, once per key.
func (s *Service) CreateOnce(ctx context.Context, key keyed.Request, by Actor, d CreateParams,
	encode func(View) (keyed.Answer, error)) (keyed.Answer, error) {
	return s.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, run keyed.Run) (View, error) {
		return s.Create(ctx, run.EffectID, by, d)
	}, encode))
}

// Create offers a product under an id chosen before: a second run with the same id returns what the first one created.
func (s *Service) Create(ctx context.Context, id string, by Actor, d CreateParams) (View, error) {
	p, err := New(id, by, d, s.currency(), s.now())
	if err != nil {
		return View{}, err
	}
	_, first, err := inventory.OpenLedger(id, d.Stock, by.UserID)
	if err != nil {
		return View{}, err
	}
	return s.store.Create(ctx, p, first)
}

// Change alters a product that is still at the version the caller read.
func (s *Service) Change(ctx context.Context, id string, by Actor, version int64, ch Change) (View, error) {
	return s.store.Change(ctx, id, func(p *Product) error { return p.Change(by, version, ch, s.now()) })
}

// Remove ends the sale of a product.
func (s *Service) Remove(ctx context.Context, id string, by Actor) error {
	_, err := s.store.Change(ctx, id, func(p *Product) error { return p.Remove(by, s.now()) })
	return err
}

// AdjustStockOnce is AdjustStock, once per key; the key gives a its id.
func (s *Service) AdjustStockOnce(ctx context.Context, key keyed.Request, by Actor, a inventory.Adjustment,
	encode func(inventory.Stock) (keyed.Answer, error)) (keyed.Answer, error) {
	return s.keys.Do(ctx, key, keyed.Once(func(ctx context.Context, run keyed.Run) (inventory.Stock, error) {
		a := a
		a.ID = run.EffectID
		return s.AdjustStock(ctx, by, a)
	}, encode))
}

// AdjustStock changes the stock of a product by hand, for its seller and for admins only.
func (s *Service) AdjustStock(ctx context.Context, by Actor, a inventory.Adjustment) (inventory.Stock, error) {
	if err := a.Validate(); err != nil { // a malformed request is refused as such also for a product of somebody else
		return inventory.Stock{}, err
	}
	if err := s.mayTouch(ctx, a.ProductID, by); err != nil {
		return inventory.Stock{}, err
	}
	a.Actor = by.UserID
	return s.inventory.Adjust(ctx, a)
}

// Ledger returns the entries of a product's ledger to its seller and to admins, newest first, those before a version of
// the stock (0 for all).
func (s *Service) Ledger(ctx context.Context, id string, by Actor, before int64, limit int) ([]inventory.Entry, error) {
	if err := s.mayTouch(ctx, id, by); err != nil {
		return nil, err
	}
	return s.inventory.Ledger(ctx, id, before, limit)
}

// mayTouch admits the seller of a product and admins.
func (s *Service) mayTouch(ctx context.Context, id string, by Actor) error {
	v, err := s.store.Get(ctx, id)
	if err != nil {
		return err
	}
	return Restore(v.Attributes).mayTouch(by)
}
