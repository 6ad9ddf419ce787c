package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
)

// importRow is the row of an import.
type importRow struct {
	ID, SellerID   int64
	Format         string
	DryRun         bool
	Currency       string
	IgnoredColumns []byte
	Total          int
	Created        int
	Updated        int
	Unchanged      int
	Refused        int
	DoneLine       int
	CreatedAt      time.Time
	FinishedAt     *time.Time
}

const importColumns = `id, seller_id, format, dry_run, currency, ignored_columns, total, created, updated, unchanged,
	refused, done_line, created_at, finished_at`

func (r importRow) domain() (catalog.Import, error) {
	imp := catalog.Import{ID: formatID(r.ID), SellerID: formatID(r.SellerID), Format: r.Format, DryRun: r.DryRun,
		Currency: r.Currency, CreatedAt: r.CreatedAt.UTC(), Totals: catalog.ImportTotals{Rows: r.Total, Created: r.Created,
			Updated: r.Updated, Unchanged: r.Unchanged, Refused: r.Refused}}
	if r.FinishedAt != nil {
		imp.FinishedAt = r.FinishedAt.UTC()
	}
	return imp, json.Unmarshal(r.IgnoredColumns, &imp.Ignored)
}

// lineRow is the row of a product of an import.
type lineRow struct {
	ImportID  int64
	Line      int
	SKU       string `gorm:"column:sku"`
	Params    *string
	Outcome   *string
	Problems  *string
	ProductID *int64
}

// TableName implements gorm's Tabler.
func (lineRow) TableName() string { return "import_rows" }

func lineRowOf(importID int64, r catalog.ImportRow) (lineRow, error) {
	l := lineRow{ImportID: importID, Line: r.Line, SKU: r.SKU}
	if r.Outcome == catalog.Refused {
		problems, err := json.Marshal(r.Problems)
		l.Outcome, l.Problems = new(string(r.Outcome)), new(string(problems))
		return l, err
	}
	params, err := json.Marshal(r.Params)
	l.Params = new(string(params))
	return l, err
}

func (l lineRow) domain() (r catalog.ImportRow, err error) {
	r = catalog.ImportRow{Line: l.Line, SKU: l.SKU, Outcome: catalog.Pending}
	if l.Outcome != nil {
		r.Outcome = catalog.Outcome(*l.Outcome)
	}
	if l.ProductID != nil {
		r.ProductID = formatID(*l.ProductID)
	}
	if l.Params != nil {
		err = json.Unmarshal([]byte(*l.Params), &r.Params)
	}
	if l.Problems != nil {
		err = errors.Join(err, json.Unmarshal([]byte(*l.Problems), &r.Problems))
	}
	return r, err
}

// errFileRead says that a transaction cannot be repeated: the file that it stores has been read.
var errFileRead = errors.New("the file was being read when the database failed")

// StartImport implements catalog.ImportStore. The rows commit all together, or none of them.
func (s *Store) StartImport(ctx context.Context, imp catalog.Import, next func() ([]catalog.ImportRow, error)) error {
	id, err := parseID(imp.ID)
	if err != nil {
		return err
	}
	seller, err := parseID(imp.SellerID)
	if err != nil {
		return err
	}
	ignored, err := json.Marshal(imp.Ignored)
	if err != nil {
		return err
	}
	began := false
	var unread error // why the rest of the file could not be read
	read := func() ([]catalog.ImportRow, error) {
		rows, err := next()
		if err != nil && !errors.Is(err, io.EOF) {
			unread = err
		}
		return rows, err
	}
	err = postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		if began {
			return problem.NewUnavailable(errFileRead, time.Second, "Send the file again.")
		}
		res := tx.Exec(`INSERT INTO imports (id, seller_id, format, dry_run, currency, ignored_columns, created_at)
			VALUES (?, ?, ?, ?, ?, ?::jsonb, ?) ON CONFLICT (seller_id) WHERE finished_at IS NULL DO NOTHING`,
			id, seller, imp.Format, imp.DryRun, imp.Currency, string(ignored), imp.CreatedAt)
		if res.Error != nil {
			return fmt.Errorf("insert import: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return s.importRunning(ctx, seller)
		}
		if err := dropReports(tx, seller); err != nil {
			return err
		}
		began = true
		total, refused, err := insertLines(ctx, tx, id, read)
		if err != nil {
			return err
		}
		return tx.Exec(`UPDATE imports SET total = ?, refused = ?, finished_at = CASE WHEN ? = 0 THEN now() END
			WHERE id = ?`, total, refused, total-refused, id).Error
	})
	if unread != nil {
		return unread
	}
	return err
}

func (s *Store) importRunning(ctx context.Context, seller int64) error {
	var running int64
	err := postgres.DB(ctx, s.db).Raw("SELECT id FROM imports WHERE seller_id = ? AND finished_at IS NULL", seller).
		Scan(&running).Error
	if err != nil {
		return fmt.Errorf("read running import: %w", err)
	}
	return catalog.ImportRunning(formatID(running))
}

const (
	// keepReports is how many reports of finished imports a seller has when the next import begins.
	keepReports = 20
	// mostDropped bounds how many older ones the beginning of an import removes.
	mostDropped = 5
)

// dropReports removes older reports of a seller.
func dropReports(tx *gorm.DB, seller int64) error {
	var old []int64
	err := tx.Raw(`SELECT id FROM imports WHERE seller_id = ? AND finished_at IS NOT NULL ORDER BY created_at DESC, id DESC
		OFFSET ? LIMIT ?`, seller, keepReports, mostDropped).Scan(&old).Error
	if err != nil || len(old) == 0 {
		return err
	}
	for _, remove := range []string{"DELETE FROM import_rows WHERE import_id = ANY(?::bigint[])",
		"DELETE FROM imports WHERE id = ANY(?::bigint[])"} {
		if err := tx.Exec(remove, postgres.Array(old)).Error; err != nil {
			return fmt.Errorf("remove old reports of imports: %w", err)
		}
	}
	return nil
}

// lineChunk is how many rows one statement inserts: PostgreSQL takes 65,535 parameters.
const lineChunk = 500

func insertLines(
	ctx context.Context, tx *gorm.DB, id int64, next func() ([]catalog.ImportRow, error),
) (total, refused int, err error) {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		rows, err := next()
		if more = !errors.Is(err, io.EOF); more && err != nil {
			return 0, 0, err
		}
		for chunk := range slices.Chunk(rows, lineChunk) {
			n, err := insertChunk(tx, id, chunk)
			if err != nil {
				return 0, 0, err
			}
			refused += n
		}
		total += len(rows)
	}
	return total, refused, nil
}

// insertChunk inserts rows by one statement, and returns how many of them are refused.
func insertChunk(tx *gorm.DB, id int64, rows []catalog.ImportRow) (refused int, err error) {
	lines := make([]lineRow, len(rows))
	for i, r := range rows {
		if lines[i], err = lineRowOf(id, r); err != nil {
			return 0, err
		}
		if r.Outcome == catalog.Refused {
			refused++
		}
	}
	if err := tx.Create(&lines).Error; err != nil {
		return 0, fmt.Errorf("insert rows of an import: %w", err)
	}
	return refused, nil
}

// Import implements catalog.ImportStore.
func (s *Store) Import(ctx context.Context, sellerID, id string) (catalog.Import, error) {
	seller, err := parseID(sellerID)
	if err != nil {
		return catalog.Import{}, catalog.MissingImport()
	}
	n, err := parseID(id)
	if err != nil {
		return catalog.Import{}, catalog.MissingImport()
	}
	var r importRow
	res := postgres.DB(ctx, s.db).Raw("SELECT "+importColumns+" FROM imports WHERE id = ? AND seller_id = ?", n, seller).
		Scan(&r)
	if res.Error != nil {
		return catalog.Import{}, fmt.Errorf("read import: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return catalog.Import{}, catalog.MissingImport()
	}
	return r.domain()
}

// ImportRows implements catalog.ImportStore.
func (s *Store) ImportRows(
	ctx context.Context, id string, outcome catalog.Outcome, after, limit int,
) ([]catalog.ImportRow, error) {
	var w where
	w.and("import_id = ?::bigint AND line > ?", id, after)
	switch outcome {
	case "":
	case catalog.Pending:
		w.and("outcome IS NULL")
	default:
		w.and("outcome = ?", string(outcome))
	}
	var lines []lineRow
	err := postgres.DB(ctx, s.db).Raw(`SELECT import_id, line, sku, outcome, problems::text AS problems, product_id
		FROM import_rows WHERE `+w.sql()+" ORDER BY line LIMIT ?", append(w.args, limit)...).Scan(&lines).Error
	if err != nil {
		return nil, fmt.Errorf("read rows of an import: %w", err)
	}
	return domainRows(lines)
}

func domainRows(lines []lineRow) ([]catalog.ImportRow, error) {
	rows := make([]catalog.ImportRow, len(lines))
	for i, l := range lines {
		var err error
		if rows[i], err = l.domain(); err != nil {
			return nil, fmt.Errorf("read row %d of import %d: %w", l.Line, l.ImportID, err)
		}
	}
	return rows, nil
}

// purgeRows is how many rows one statement removes.
const purgeRows = 5000

// PurgeImports implements catalog.ImportStore. The rows are removed first, in batches.
func (s *Store) PurgeImports(ctx context.Context, before time.Time) error {
	db := postgres.DB(ctx, s.db)
	for removed := int64(purgeRows); removed == purgeRows; {
		res := db.Exec(`DELETE FROM import_rows WHERE ctid = ANY(ARRAY(SELECT r.ctid FROM imports i
			JOIN import_rows r ON r.import_id = i.id WHERE i.created_at < ? AND i.finished_at IS NOT NULL
			LIMIT ?))`, before, purgeRows)
		if res.Error != nil {
			return fmt.Errorf("purge rows of imports: %w", res.Error)
		}
		removed = res.RowsAffected
	}
	err := db.Exec(`DELETE FROM imports i WHERE created_at < ? AND finished_at IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM import_rows r WHERE r.import_id = i.id)`, before).Error
	if err != nil {
		return fmt.Errorf("purge imports: %w", err)
	}
	return nil
}
