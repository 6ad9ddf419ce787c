package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
)

// sellersLock is the first number of the advisory locks of sellers; the second is the hash of the id.
const sellersLock = 0x73656c6c // "sell"

// SetSeller implements catalog.Store. Two events of one seller ask one after the other, so the later answer stays.
func (s *Store) SetSeller(ctx context.Context, sellerID string,
	maySell func(context.Context) (bool, error)) error {
	id, err := parseID(sellerID)
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?, hashint8(?))", sellersLock, id).Error; err != nil {
			return fmt.Errorf("lock seller: %w", err)
		}
		ok, err := maySell(ctx)
		if err != nil {
			return fmt.Errorf("ask for seller %s: %w", sellerID, err)
		}
		change, sql := "seller.closed", "INSERT INTO closed_sellers (seller_id) VALUES (?) ON CONFLICT DO NOTHING"
		if ok {
			change, sql = "seller.reopened", "DELETE FROM closed_sellers WHERE seller_id = ?"
		}
		res := tx.Exec(sql, id)
		if res.Error != nil {
			return fmt.Errorf("set seller: %w", res.Error)
		}
		if res.RowsAffected > 0 {
			s.events.LogChange(ctx, change, sellerID)
		}
		return nil
	})
}

// List implements catalog.Store.
func (s *Store) List(ctx context.Context, f catalog.ListFilter) ([]catalog.View, error) {
	var w where
	w.and("true")
	if f.SellerID != "" {
		w.and("p.seller_id = ?::bigint", f.SellerID)
	}
	if f.SKU != "" {
		w.and("p.sku = ? AND p.deleted_at IS NULL", f.SKU)
	}
	if f.Kept {
		w.and("p.deleted_at IS NULL")
	}
	if f.After != "" {
		w.and("p.id > ?::bigint", f.After)
	}
	var rows []row
	err := postgres.DB(ctx, s.db).Raw(selectView+"WHERE "+w.sql()+" ORDER BY p.id LIMIT ?",
		append(w.args, f.Limit)...).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	views := make([]catalog.View, len(rows))
	for i, r := range rows {
		views[i] = r.view()
	}
	return views, nil
}
