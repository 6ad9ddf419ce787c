package store

import (
	"context"
	"fmt"
	"strconv"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/tokenizer"
)

// searchRules numbers the rules by which texts are made searchable. Whoever changes the tokenizer raises it, here and
// in the index products_to_index by a migration: IndexAgain does the rest.
const searchRules = 2

// What a product is found by, with the version of the product that it was made of. The name counts more than the
// category, and that more than the description. English words also count by their stem.
const (
	searchColumns = "search, search_version, search_rules"
	searchValues  = `?::tsvector || setweight(to_tsvector('pg_catalog.english', ?), 'A') ||
		setweight(to_tsvector('pg_catalog.english', ?), 'B') || setweight(to_tsvector('pg_catalog.english', ?), 'C'), ?, ?`
)

func searchArgs(f catalog.Attributes) []any {
	var d tokenizer.Document
	d.Add(tokenizer.A, f.Name)
	d.Add(tokenizer.B, f.Category)
	d.Add(tokenizer.C, f.Description)
	return []any{d.Vector(), d.English(tokenizer.A), d.English(tokenizer.B), d.English(tokenizer.C), f.Version,
		searchRules}
}

// indexBatch is how many products one transaction indexes.
const indexBatch = 200

// IndexAgain makes some products searchable by today's rules: those that another version of this service has written.
// It reports whether there may be more.
func (s *Store) IndexAgain(ctx context.Context) (more bool, err error) {
	var rows []row
	err = postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		err := tx.Raw("SELECT "+columns+` FROM products p
			WHERE (p.search_rules < `+strconv.Itoa(searchRules)+` OR p.search_version <> p.version) AND p.deleted_at IS NULL
			ORDER BY p.id LIMIT ? FOR UPDATE SKIP LOCKED`, indexBatch).Scan(&rows).Error
		if err != nil {
			return err
		}
		for _, r := range rows {
			err := tx.Exec("UPDATE products SET ("+searchColumns+") = ("+searchValues+") WHERE id = ?",
				append(searchArgs(r.view().Attributes), r.ID)...).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("index products again: %w", err)
	}
	return len(rows) == indexBatch, nil
}
