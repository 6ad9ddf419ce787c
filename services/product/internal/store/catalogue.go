package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/product"
)

const selectView = "SELECT " + columns + ", s.on_hand - s.reserved AS available FROM products p JOIN stock s ON s.product_id = p.id "

// Get gives one product that is for sale.
func (s *Store) Get(ctx context.Context, id string) (product.View, error) {
	n, err := number(id)
	if err != nil {
		return product.View{}, product.Missing()
	}
	return one(postgres.DB(ctx, s.db).Raw(selectView+"WHERE p.id = ? AND p.deleted_at IS NULL", n))
}

func one(db *gorm.DB) (product.View, error) {
	var r row
	res := db.Scan(&r)
	if res.Error != nil {
		return product.View{}, fmt.Errorf("read product: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return product.View{}, product.Missing()
	}
	return r.view(), nil
}

// Views gives those of the products that exist, removed ones included.
func (s *Store) Views(ctx context.Context, ids []string) ([]product.View, error) {
	var rows []row
	if err := postgres.DB(ctx, s.db).Raw(selectView+"WHERE p.id = ANY(?::bigint[])", array(ids)).Scan(&rows).Error; err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	views := make([]product.View, len(rows))
	for i, r := range rows {
		views[i] = r.view()
	}
	return views, nil
}

// Create keeps a product with the first entry of its ledger.
func (s *Store) Create(ctx context.Context, p *product.Product, first product.Entry) (product.View, error) {
	f := p.Attributes()
	id, err := number(f.ID)
	if err != nil {
		return product.View{}, err
	}
	seller, err := number(f.SellerID)
	if err != nil {
		return product.View{}, err
	}
	var view product.View
	err = postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		args := append([]any{id, seller, f.Name, f.Description, f.Category, f.ImageURL, f.Price.Amount, f.Price.Currency, f.Version, f.CreatedAt, f.UpdatedAt}, vectorArgs(f)...)
		res := tx.Exec(`INSERT INTO products (id, seller_id, name, description, category, image_url, price, currency, version, created_at, updated_at, search)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, `+vector+`) ON CONFLICT (id) DO NOTHING`, args...)
		if res.Error != nil {
			return fmt.Errorf("insert product: %w", res.Error)
		}
		if res.RowsAffected == 1 {
			after := first.After
			if err := tx.Exec("INSERT INTO stock (product_id, on_hand, reserved, stock_version) VALUES (?, 0, 0, 0)", id).Error; err != nil {
				return fmt.Errorf("insert stock: %w", err)
			}
			if err := write(tx, []product.Stock{after}, []product.Entry{first}, nil, ""); err != nil {
				return err
			}
			s.afterCommit(ctx, []product.Stock{after}, nil)
		}
		var err error
		view, err = one(tx.Raw(selectView+"WHERE p.id = ? AND p.seller_id = ?", id, seller))
		return err
	})
	return view, err
}

// Change locks a product, lets f change it and keeps it.
func (s *Store) Change(ctx context.Context, id string, f func(*product.Product) error) (product.View, error) {
	n, err := number(id)
	if err != nil {
		return product.View{}, product.Missing()
	}
	var view product.View
	err = postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		var err error
		view, err = one(tx.Raw(selectView+"WHERE p.id = ? FOR UPDATE OF p", n))
		if err != nil {
			return err
		}
		p := product.Restore(view.Attributes)
		if err := f(p); err != nil {
			return err
		}
		view.Attributes = p.Attributes()
		return update(tx, n, view.Attributes)
	})
	return view, err
}

func update(tx *gorm.DB, id int64, f product.Attributes) error {
	var deleted *time.Time
	if f.Deleted {
		deleted = &f.UpdatedAt
	}
	args := append([]any{f.Name, f.Description, f.Category, f.ImageURL, f.Price.Amount, f.Price.Currency, f.Version, f.UpdatedAt, deleted}, vectorArgs(f)...)
	err := tx.Exec(`UPDATE products SET name = ?, description = ?, category = ?, image_url = ?, price = ?, currency = ?, version = ?,
		updated_at = ?, deleted_at = ?, search = `+vector+` WHERE id = ?`, append(args, id)...).Error
	if err != nil {
		return fmt.Errorf("update product: %w", err)
	}
	return nil
}

// vector weighs the name above the category above the description. Words count
// as they are and by their English stem, other scripts by their pairs.
const vector = `setweight(to_tsvector('pg_catalog.simple', ?), 'A') || setweight(to_tsvector('pg_catalog.english', ?), 'A') ||
	setweight(to_tsvector('pg_catalog.simple', ?), 'B') || setweight(to_tsvector('pg_catalog.english', ?), 'B') ||
	setweight(to_tsvector('pg_catalog.simple', ?), 'C') || setweight(to_tsvector('pg_catalog.english', ?), 'C')`

func vectorArgs(f product.Attributes) []any {
	var args []any
	for _, s := range []string{f.Name, f.Category, f.Description} {
		t := split(s)
		args = append(args, t.document(), t.english())
	}
	return args
}
