package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// row is the row of a product, joined with its available quantity.
type row struct {
	ID          int64
	SellerID    int64
	SKU         string `gorm:"column:sku"`
	Name        string
	Description string
	Category    string
	ImageURL    string `gorm:"column:image_url"`
	Pictures    string // JSON
	Price       int64
	Currency    string
	MaxPerOrder int64
	Untracked   bool
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Deleted     bool
	Closed      bool
	Available   int64
	Rank        float64
	Total       int64 // of the whole list
}

const columns = `p.id, p.seller_id, coalesce(p.sku, '') AS sku, p.name, p.description, p.category, p.image_url,
	p.pictures, p.price, p.currency, coalesce(p.max_per_order, 0) AS max_per_order, p.version, p.created_at, p.updated_at,
	p.deleted_at IS NOT NULL AS deleted`

// pictures are those of a product. The address of the first is in a column of its own, which counts.
func (r row) pictures() []catalog.Picture {
	var kept []catalog.Picture
	_ = json.Unmarshal([]byte(r.Pictures), &kept) // written by picturesJSON
	return catalog.WithImage(kept, r.ImageURL)
}

func picturesJSON(f catalog.Attributes) string {
	text, _ := json.Marshal(append([]catalog.Picture{}, f.Pictures...)) // texts cannot fail
	return string(text)
}

// listColumns are columns with the main picture only.
var listColumns = strings.Replace(columns, "p.pictures", "jsonb_path_query_array(p.pictures, '$[0]') AS pictures", 1)

func (r row) view() catalog.View {
	return catalog.View{
		Attributes: catalog.Attributes{
			ID: formatID(r.ID), SellerID: formatID(r.SellerID), SKU: r.SKU, Name: r.Name, Description: r.Description,
			Category: r.Category, Pictures: r.pictures(), Price: money.Of(r.Price, r.Currency), MaxPerOrder: r.MaxPerOrder,
			Untracked: r.Untracked,
			Version:   r.Version,
			Deleted:   r.Deleted, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		},
		Available: r.Available, Closed: r.Closed,
	}
}

const selectView = "SELECT " + columns + `,
	EXISTS (SELECT 1 FROM closed_sellers c WHERE c.seller_id = p.seller_id) AS closed, s.on_hand - s.reserved AS available,
	NOT s.tracked AS untracked
	FROM products p JOIN stock s ON s.product_id = p.id `

// Get returns one product that was not removed.
func (s *Store) Get(ctx context.Context, id string) (catalog.View, error) {
	n, err := parseID(id)
	if err != nil {
		return catalog.View{}, catalog.Missing()
	}
	return one(postgres.DB(ctx, s.db).Raw(selectView+"WHERE p.id = ? AND p.deleted_at IS NULL", n))
}

func one(db *gorm.DB) (catalog.View, error) {
	var r row
	res := db.Scan(&r)
	if res.Error != nil {
		return catalog.View{}, fmt.Errorf("read product: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return catalog.View{}, catalog.Missing()
	}
	return r.view(), nil
}

// How a product is inserted, with the arguments of insertArgs.
const (
	insertColumns = `id, seller_id, sku, name, description, category, image_url, pictures, price, currency,
		max_per_order, version, created_at, updated_at, ` + searchColumns
	insertValues = "(?, ?, nullif(?, ''), ?, ?, ?, ?, ?::jsonb, ?, ?, nullif(?, 0), ?, ?, ?, " + searchValues + ")"
)

func insertArgs(f catalog.Attributes) ([]any, error) {
	id, err := parseID(f.ID)
	if err != nil {
		return nil, err
	}
	seller, err := parseID(f.SellerID)
	if err != nil {
		return nil, err
	}
	return append([]any{id, seller, f.SKU, f.Name, f.Description, f.Category, f.ImageURL(), picturesJSON(f),
		f.Price.Amount, f.Price.Currency, f.MaxPerOrder, f.Version, f.CreatedAt, f.UpdatedAt}, searchArgs(f)...), nil
}

// Create keeps a product with the first entry of its ledger.
func (s *Store) Create(ctx context.Context, p *catalog.Product, first inventory.Entry) (catalog.View, error) {
	f := p.Attributes()
	args, err := insertArgs(f)
	if err != nil {
		return catalog.View{}, err
	}
	id, seller := args[0], args[1]
	var view catalog.View
	err = postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		if err := keepCategories(tx, f.Category); err != nil {
			return err
		}
		res := tx.Exec("INSERT INTO products ("+insertColumns+") VALUES "+insertValues+" ON CONFLICT DO NOTHING", args...)
		if res.Error != nil {
			return fmt.Errorf("insert product: %w", res.Error)
		}
		if res.RowsAffected == 1 {
			after := first.After
			res := tx.Exec(`INSERT INTO stock (product_id, on_hand, reserved, stock_version, tracked)
				VALUES (?, 0, 0, 0, ?)`, id, !f.Untracked)
			if err := res.Error; err != nil {
				return fmt.Errorf("insert stock: %w", err)
			}
			if err := writeStock(tx, []inventory.Stock{after}, []inventory.Entry{first}, nil, ""); err != nil {
				return err
			}
			s.syncGateAfterCommit(ctx, []inventory.Stock{after}, nil)
		}
		var err error
		view, err = one(tx.Raw(selectView+"WHERE p.id = ? AND p.seller_id = ?", id, seller))
		if problem.KindOf(err) == problem.NotFound && f.SKU != "" {
			return s.skuTaken(ctx, f)
		}
		return err
	})
	return view, err
}

// Change locks a product, lets f change it and keeps it.
func (s *Store) Change(ctx context.Context, id string, f func(*catalog.Product) error) (catalog.View, error) {
	n, err := parseID(id)
	if err != nil {
		return catalog.View{}, catalog.Missing()
	}
	var view catalog.View
	err = postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var err error
		view, err = one(tx.Raw(selectView+"WHERE p.id = ? FOR UPDATE OF p", n))
		if err != nil {
			return err
		}
		// The statement may have waited for the product: it read the stock before that.
		if err := tx.Raw("SELECT NOT tracked FROM stock WHERE product_id = ?", n).Scan(&view.Untracked).Error; err != nil {
			return fmt.Errorf("read tracking: %w", err)
		}
		p := catalog.Restore(view.Attributes)
		if err := f(p); err != nil {
			return err
		}
		before := view.Attributes
		view.Attributes = p.Attributes()
		if view.Version == before.Version {
			return nil
		}
		if view.Category != before.Category {
			if err := keepCategories(tx, view.Category); err != nil {
				return err
			}
		}
		if view.Untracked != before.Untracked {
			if err := s.setTracked(ctx, tx, view.Attributes); err != nil {
				return err
			}
		}
		_, err = update(tx, view.Attributes)
		return err
	})
	if postgres.IsUnique(err, "products_sku") {
		return catalog.View{}, s.skuTaken(ctx, view.Attributes)
	}
	return view, err
}

// BySKU returns the product of a seller with a sku.
func (s *Store) BySKU(ctx context.Context, sellerID, sku string) (catalog.View, error) {
	seller, err := parseID(sellerID)
	if err != nil {
		return catalog.View{}, catalog.Missing()
	}
	return one(postgres.DB(ctx, s.db).Raw(selectView+"WHERE p.seller_id = ? AND p.sku = ? AND p.deleted_at IS NULL",
		seller, sku))
}

// skuTaken names the product that has the sku of another one. If it has gone meanwhile, a repeat succeeds.
func (s *Store) skuTaken(ctx context.Context, f catalog.Attributes) error {
	other, err := s.BySKU(ctx, f.SellerID, f.SKU)
	if problem.KindOf(err) == problem.NotFound {
		return problem.NewUnavailable(err, time.Second, "The product with this sku is being removed.")
	}
	if err != nil {
		return err
	}
	return catalog.SKUTaken(f.SKU, other.ID)
}

// setTracked switches the tracking of a product's stock. Orders decide under the lock of the same row.
func (s *Store) setTracked(ctx context.Context, tx *gorm.DB, f catalog.Attributes) error {
	err := tx.Exec("UPDATE stock SET tracked = ? WHERE product_id = ?::bigint", !f.Untracked, f.ID).Error
	if err != nil {
		return fmt.Errorf("set tracking: %w", err)
	}
	s.events.LogChange(ctx, "stock.tracked", f.ID, "tracked", !f.Untracked)
	return nil
}

// update stores the next version of a product, and reports whether it did: not if the product is at another version
// than the one before.
func update(tx *gorm.DB, f catalog.Attributes) (bool, error) {
	id, err := parseID(f.ID)
	if err != nil {
		return false, err
	}
	var deleted *time.Time
	if f.Deleted {
		deleted = &f.UpdatedAt
	}
	args := append(
		[]any{
			f.SKU, f.Name, f.Description, f.Category, f.ImageURL(), picturesJSON(f), f.Price.Amount, f.Price.Currency,
			f.MaxPerOrder, f.Version, f.UpdatedAt, deleted,
		},
		searchArgs(f)...)
	res := tx.Exec(
		`UPDATE products SET sku = nullif(?, ''), name = ?, description = ?, category = ?, image_url = ?,
		pictures = ?::jsonb, price = ?, currency = ?, max_per_order = nullif(?, 0), version = ?, updated_at = ?,
		deleted_at = ?, (`+searchColumns+`) = (`+searchValues+`) WHERE id = ? AND version = ?`,
		append(args, id, f.Version-1)...)
	if res.Error != nil {
		return false, fmt.Errorf("update product: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}
