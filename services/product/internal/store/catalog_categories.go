package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
)

// categoryKey is what a category is found by, however its case, width and spaces are written: each level with a slash
// behind it. It is "" for no category.
func categoryKey(category string) string {
	var key strings.Builder
	for _, level := range catalog.CategoryLevels(category) {
		folded := strings.Join(strings.Fields(norm.NFC.String(cases.Fold().String(norm.NFKC.String(level)))), " ")
		key.WriteString(strings.ReplaceAll(folded, "/", " ") + "/") // some characters, like ℀, contain a slash
	}
	return key.String()
}

// below is the condition of keys of a category and all below it. A slash is followed by a zero in the order of bytes.
const below = "key >= ? AND key < ?"

func belowArgs(key string) []any { return []any{key, strings.TrimSuffix(key, "/") + "0"} }

// keepCategories stores the keys of writings.
func keepCategories(tx *gorm.DB, written ...string) error {
	type keyed struct {
		Category string `json:"category"`
		Key      string `json:"key"`
	}
	rows := []keyed{}
	for _, category := range written {
		if category != "" {
			rows = append(rows, keyed{category, categoryKey(category)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	err = tx.Exec(`INSERT INTO categories (category, key)
		SELECT category, key FROM jsonb_to_recordset(?::jsonb) AS r(category text, key text) ORDER BY 1
		ON CONFLICT DO NOTHING`, string(text)).Error
	if err != nil {
		return fmt.Errorf("keep categories: %w", err)
	}
	return nil
}

// inCategory adds the condition of a category, and reports whether any product was ever in it. A category that has one
// writing and none below it keeps the order of its index.
func (s *Store) inCategory(ctx context.Context, category string, w *where) (known bool, err error) {
	key := categoryKey(category)
	var written []string
	err = postgres.DB(ctx, s.db).Raw("SELECT category FROM categories WHERE "+below+" LIMIT 2", belowArgs(key)...).
		Scan(&written).Error
	if err != nil {
		return false, fmt.Errorf("read category: %w", err)
	}
	switch len(written) {
	case 0:
		return false, nil
	case 1:
		w.and("p.category = ?", written[0])
	default:
		w.and("p.category = ANY(ARRAY(SELECT category FROM categories WHERE "+below+"))", belowArgs(key)...)
	}
	return true, nil
}

// Categories implements catalog.Store.
func (s *Store) Categories(ctx context.Context) ([]catalog.WrittenCategory, error) {
	var written []catalog.WrittenCategory
	err := postgres.DB(ctx, s.db).Raw(`SELECT c.key, c.category AS path, sum(n.products)::bigint AS products
		FROM category_counts n JOIN categories c USING (category)
		WHERE n.products > 0 AND n.seller_id NOT IN (SELECT seller_id FROM closed_sellers) GROUP BY c.category`).
		Scan(&written).Error
	if err != nil {
		return nil, fmt.Errorf("read categories: %w", err)
	}
	return written, nil
}

// IndexCategories stores the keys of writings that another version of this service has written. It reports whether
// there may be more.
func (s *Store) IndexCategories(ctx context.Context) (more bool, err error) {
	db := postgres.DB(ctx, s.db)
	var missing []string
	err = db.Raw(`SELECT DISTINCT n.category FROM category_counts n
		WHERE NOT EXISTS (SELECT 1 FROM categories c WHERE c.category = n.category) LIMIT ?`, indexBatch).Scan(&missing).Error
	if err != nil || len(missing) == 0 {
		return false, err
	}
	return len(missing) == indexBatch, keepCategories(db, missing...)
}
