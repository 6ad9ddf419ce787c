package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// importWork is one transaction of an import.
type importWork struct {
	tx        *gorm.DB
	row       importRow
	imp       catalog.Import
	rows      []catalog.ImportRow
	create    []*catalog.Product
	entries   []inventory.Entry // the first ones of the ledgers of create, in their order
	rowOf     map[int64]int     // the row that makes a product, by the product's id
	untracked []int64           // those of create without tracked stock
	change    []importChange
	tracking  []catalog.Attributes // of change, whose tracking was switched
}

// importChange is the next version of a product.
type importChange struct {
	row      int
	to       catalog.Attributes
	tracking bool // switches the tracking of its stock
}

// WorkImport implements catalog.ImportStore. The import is locked, so that it is worked through by one replica at a
// time; the rows' outcomes commit with what they do, so that after a crash each row takes effect once.
func (s *Store) WorkImport(
	ctx context.Context, limit int,
	decide func(catalog.Import, *catalog.ImportRow, *catalog.Product) (*catalog.Product, error),
) (worked bool, err error) {
	var w importWork
	err = postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		w = importWork{tx: tx, rowOf: map[int64]int{}}
		res := tx.Raw("SELECT " + importColumns + ` FROM imports WHERE finished_at IS NULL
			ORDER BY worked_at LIMIT 1 FOR UPDATE SKIP LOCKED`).Scan(&w.row)
		if res.Error != nil {
			return fmt.Errorf("read running import: %w", res.Error)
		}
		if worked = res.RowsAffected == 1; !worked {
			return nil
		}
		if w.imp, err = w.row.domain(); err != nil {
			return err
		}
		if err := w.read(limit); err != nil {
			return err
		}
		if err := w.decide(decide); err != nil {
			return err
		}
		stock, err := w.write()
		if err != nil {
			return err
		}
		for _, f := range w.tracking {
			if err := s.setTracked(ctx, tx, f); err != nil {
				return err
			}
		}
		s.syncGateAfterCommit(ctx, stock, nil)
		finished, err := w.finish(limit)
		if finished && err == nil {
			s.events.LogChange(ctx, "products.imported", w.imp.ID, "seller", w.imp.SellerID, "rows", w.imp.Totals.Rows)
		}
		return err
	})
	if err != nil {
		if w.row.ID != 0 { // the imports of others go on
			_ = s.db.WithContext(ctx).Exec("UPDATE imports SET worked_at = clock_timestamp() WHERE id = ?", w.row.ID).Error
		}
		return worked, err
	}
	return worked, s.analyze(ctx, w.row.Created, w.row.Created+len(w.create))
}

// analyzeEvery is after how many new products the planner's statistics are made again.
const analyzeEvery = 1000

// analyze makes the planner's statistics of products again, if the number of new ones has passed a multiple of
// analyzeEvery and they are a good part of all. PostgreSQL does so by itself, but up to a minute later, and until then
// searches read all products of a catalogue that was small before.
func (s *Store) analyze(ctx context.Context, before, now int) error {
	if before/analyzeEvery == now/analyzeEvery {
		return nil
	}
	db := s.db.WithContext(ctx)
	var many bool
	err := db.Raw(`SELECT reltuples < 20 * ? FROM pg_class WHERE oid = 'products'::regclass`, now).Scan(&many).Error
	if err != nil || !many {
		return err
	}
	for _, table := range []string{"products", "stock"} {
		if err := db.Exec("ANALYZE " + table).Error; err != nil {
			return fmt.Errorf("analyze %s: %w", table, err)
		}
	}
	return nil
}

// read reads the next rows.
func (w *importWork) read(limit int) error {
	var lines []lineRow
	err := w.tx.Raw(`SELECT import_id, line, sku, params FROM import_rows
		WHERE import_id = ? AND line > ? AND outcome IS NULL ORDER BY line LIMIT ?`,
		w.row.ID, w.row.DoneLine, limit).Scan(&lines).Error
	if err != nil {
		return fmt.Errorf("read rows of an import: %w", err)
	}
	w.rows, err = domainRows(lines)
	return err
}

// decide calls decide for each row with the product that has its sku.
func (w *importWork) decide(
	decide func(catalog.Import, *catalog.ImportRow, *catalog.Product) (*catalog.Product, error),
) error {
	found, err := w.products()
	if err != nil {
		return err
	}
	for i := range w.rows {
		r := &w.rows[i]
		product := found[r.SKU]
		before := product != nil && product.Attributes().Untracked
		made, err := decide(w.imp, r, product)
		if err != nil {
			return err
		}
		if made == nil || w.imp.DryRun {
			continue
		}
		if product != nil {
			to := made.Attributes()
			w.change = append(w.change, importChange{i, to, to.Untracked != before})
			continue
		}
		first, err := r.FirstStock(w.imp.SellerID)
		if err != nil {
			return err
		}
		id, err := parseID(r.ProductID)
		if err != nil {
			return err
		}
		if made.Attributes().Untracked {
			w.untracked = append(w.untracked, id)
		}
		w.create, w.entries, w.rowOf[id] = append(w.create, made), append(w.entries, first), i
	}
	return nil
}

// products reads the seller's products with the skus of the rows. It locks none: most rows of a file that is sent again
// change nothing.
func (w *importWork) products() (map[string]*catalog.Product, error) {
	skus := make([]string, len(w.rows))
	for i, r := range w.rows {
		skus[i] = r.SKU
	}
	list, err := json.Marshal(skus)
	if err != nil {
		return nil, err
	}
	var rows []row
	err = w.tx.Raw(selectView+`WHERE p.seller_id = ? AND p.deleted_at IS NULL
		AND p.sku = ANY(ARRAY(SELECT jsonb_array_elements_text(?::jsonb))) ORDER BY p.id`,
		w.row.SellerID, string(list)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read products of an import: %w", err)
	}
	found := make(map[string]*catalog.Product, len(rows))
	for _, r := range rows {
		found[r.SKU] = catalog.Restore(r.view().Attributes)
	}
	return found, nil
}

// write stores the products, and returns the stock of the new ones. A row is pending again if somebody else has changed
// its product, or given its sku to a product, a moment ago.
func (w *importWork) write() ([]inventory.Stock, error) {
	var categories []string
	for _, c := range w.change {
		categories = append(categories, c.to.Category)
	}
	for _, p := range w.create {
		categories = append(categories, p.Attributes().Category)
	}
	if err := keepCategories(w.tx, categories...); err != nil {
		return nil, err
	}
	for _, c := range w.change {
		switch done, err := update(w.tx, c.to); {
		case err != nil:
			return nil, err
		case !done:
			w.rows[c.row].Outcome = catalog.Pending
		case c.tracking:
			w.tracking = append(w.tracking, c.to)
		}
	}
	made, err := w.insert()
	if err != nil || len(made) == 0 {
		return nil, err
	}
	var stock []inventory.Stock
	var entries []inventory.Entry
	for _, e := range w.entries {
		id, err := parseID(e.After.ProductID)
		if err != nil {
			return nil, err
		}
		if !made[id] {
			w.rows[w.rowOf[id]].Outcome = catalog.Pending
			continue
		}
		stock, entries = append(stock, e.After), append(entries, e)
	}
	ids := make([]int64, 0, len(made))
	for id := range made {
		ids = append(ids, id)
	}
	err = w.tx.Exec(`INSERT INTO stock (product_id, on_hand, reserved, stock_version, tracked)
		SELECT id, 0, 0, 0, id <> ALL(?::bigint[]) FROM unnest(?::bigint[]) id`, postgres.Array(w.untracked),
		postgres.Array(ids)).Error
	if err != nil {
		return nil, fmt.Errorf("insert stock: %w", err)
	}
	return stock, writeStock(w.tx, stock, entries, nil, "")
}

// insert inserts the new products by one statement, and returns which it did.
func (w *importWork) insert() (map[int64]bool, error) {
	if len(w.create) == 0 {
		return nil, nil
	}
	values, args := make([]string, len(w.create)), []any(nil)
	for i, p := range w.create {
		f := p.Attributes()
		more, err := insertArgs(f)
		if err != nil {
			return nil, err
		}
		values[i], args = insertValues, append(args, more...)
	}
	var ids []int64
	err := w.tx.Raw("INSERT INTO products ("+insertColumns+") VALUES "+strings.Join(values, ", ")+
		" ON CONFLICT DO NOTHING RETURNING id", args...).Scan(&ids).Error
	if err != nil {
		return nil, fmt.Errorf("insert products: %w", err)
	}
	made := make(map[int64]bool, len(ids))
	for _, id := range ids {
		made[id] = true
	}
	return made, nil
}

// finish stores the outcomes. It reports whether the import has finished.
func (w *importWork) finish(limit int) (finished bool, err error) {
	type outcome struct {
		Line      int    `json:"line"`
		Outcome   string `json:"outcome"`
		Problems  any    `json:"problems"`
		ProductID string `json:"product_id"`
	}
	count := map[catalog.Outcome]int{}
	outcomes, done, waiting := []outcome{}, w.row.DoneLine, false
	for _, r := range w.rows {
		if r.Outcome == catalog.Pending {
			waiting = true
			continue
		}
		if !waiting {
			done = r.Line
		}
		count[r.Outcome]++
		o := outcome{Line: r.Line, Outcome: string(r.Outcome), ProductID: r.ProductID}
		if len(r.Problems) > 0 {
			o.Problems = r.Problems
		}
		if w.imp.DryRun && r.Outcome == catalog.Created {
			o.ProductID = "" // which it did not make
		}
		outcomes = append(outcomes, o)
	}
	list, err := json.Marshal(outcomes)
	if err != nil {
		return false, err
	}
	err = w.tx.Exec(`UPDATE import_rows r SET outcome = o.outcome, problems = o.problems, params = NULL,
		product_id = nullif(o.product_id, '')::bigint
		FROM jsonb_to_recordset(?::jsonb) AS o(line bigint, outcome text, problems jsonb, product_id text)
		WHERE r.import_id = ? AND r.line = o.line`, string(list), w.row.ID).Error
	if err != nil {
		return false, fmt.Errorf("write outcomes: %w", err)
	}
	finished = len(w.rows) < limit && !waiting
	err = w.tx.Exec(`UPDATE imports SET created = created + ?, updated = updated + ?, unchanged = unchanged + ?,
		refused = refused + ?, done_line = ?, worked_at = clock_timestamp(),
		finished_at = CASE WHEN ? THEN clock_timestamp() END WHERE id = ?`,
		count[catalog.Created], count[catalog.Updated], count[catalog.Unchanged], count[catalog.Refused], done, finished,
		w.row.ID).Error
	if err != nil {
		return false, fmt.Errorf("write import: %w", err)
	}
	return finished, nil
}
