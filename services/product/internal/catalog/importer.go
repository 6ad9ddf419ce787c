package catalog

import (
	"context"
	"errors"
	"io"
	"time"

	"daprmall.dev/services/kit/problem"
)

// MaxImportRows is how many products a file may have.
const MaxImportRows = 20_000

// importBatch is how many rows one transaction works through: few enough that nobody waits long for their locks.
const importBatch = 50

// ImportFile is a file that is being read.
type ImportFile struct {
	Format  string
	Ignored []string // columns that are not read
	// Next returns some more rows, and io.EOF after the last ones.
	Next func() ([]ImportRow, error)
}

// ImportStore keeps imports.
type ImportStore interface {
	// StartImport stores an import with the rows that next returns, until io.EOF. While another import of the seller is
	// running it refuses this one (ImportRunning).
	StartImport(ctx context.Context, imp Import, next func() ([]ImportRow, error)) error
	// WorkImport works through the next rows of the running import that has waited longest, at most limit, and stores
	// their outcomes together with what they do to products, or none of it. It calls decide for each row with the
	// seller's product that has its sku, or nil, and stores the product that it returns. It reports whether there was
	// anything to do.
	WorkImport(ctx context.Context, limit int, decide func(Import, *ImportRow, *Product) (*Product, error)) (bool, error)
	// Import returns an import of a seller, or MissingImport.
	Import(ctx context.Context, sellerID, id string) (Import, error)
	// ImportRows returns rows of an import by line, those after a line, with an outcome ("": any).
	ImportRows(ctx context.Context, id string, outcome Outcome, after, limit int) ([]ImportRow, error)
	// PurgeImports removes finished imports that began before a time.
	PurgeImports(ctx context.Context, before time.Time) error
}

// Importer is the use cases of imports.
type Importer struct {
	store    ImportStore
	ids      IDs
	currency func() string
	now      func() time.Time
	wake     chan struct{}
}

// NewImporter makes the use cases of imports. A worker calls Step, when Wake receives and now and then.
func NewImporter(store ImportStore, ids IDs, currency func() string, now func() time.Time) *Importer {
	return &Importer{store: store, ids: ids, currency: currency, now: now, wake: make(chan struct{}, 1)}
}

// Wake receives when an import has begun.
func (m *Importer) Wake() <-chan struct{} { return m.wake }

// MissingImport refuses an import that does not exist or is not the caller's.
func MissingImport() error { return problem.NewNotFound("import") }

// ImportRunning refuses a second import of a seller.
func ImportRunning(id string) error {
	return problem.New(problem.Conflict, "import_running", "Your import %s has not finished. One runs at a time.", id).
		After(5 * time.Second)
}

// Start stores a seller's file. Step works through it.
func (m *Importer) Start(ctx context.Context, by Actor, file ImportFile, dryRun bool) (Import, error) {
	if !by.Seller {
		return Import{}, problem.New(problem.Forbidden, "", "Only sellers offer products.")
	}
	id, err := m.ids.Next()
	if err != nil {
		return Import{}, err
	}
	imp := Import{ID: id, SellerID: by.UserID, Format: file.Format, DryRun: dryRun, Currency: m.currency(),
		Ignored: file.Ignored, CreatedAt: m.now()}
	if err := m.store.StartImport(ctx, imp, checked(imp, file.Next)); err != nil {
		return Import{}, err
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return m.store.Import(ctx, by.UserID, id)
}

// checked returns the rows of a file with what is wrong with their skus and with texts that are too long to be stored,
// and refuses a file with too many rows or none.
func checked(imp Import, next func() ([]ImportRow, error)) func() ([]ImportRow, error) {
	seen, count := map[string]int{}, 0
	return func() ([]ImportRow, error) {
		rows, err := next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		count += len(rows)
		switch {
		case count > MaxImportRows:
			return nil, problem.New(problem.TooLarge, "body_too_large",
				"The file has more than %d products. Split it.", MaxImportRows)
		case count == 0 && err != nil:
			return nil, problem.Validation(problem.Field{Field: "file", Message: "has no products"})
		}
		for i := range rows {
			rows[i].checkSKU(seen)
			rows[i].checkLengths(imp)
		}
		return rows, err
	}
}

// Step works through some rows, and then rests for as long as that took: an import shall not slow shoppers down. It
// reports whether there may be more to do.
func (m *Importer) Step(ctx context.Context) (more bool, err error) {
	began := time.Now()
	worked, err := m.store.WorkImport(ctx, importBatch, func(imp Import, r *ImportRow, found *Product) (*Product, error) {
		id, err := m.ids.Next()
		if err != nil {
			return nil, err
		}
		return r.Decide(found, id, imp, m.now()), nil
	})
	if err != nil || !worked {
		return false, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Since(began)):
	}
	return true, nil
}

// Get returns an import of the caller's.
func (m *Importer) Get(ctx context.Context, by Actor, id string) (Import, error) {
	return m.store.Import(ctx, by.UserID, id)
}

// Await returns an import of the caller's when it has finished, or after some time as it is then.
func (m *Importer) Await(ctx context.Context, by Actor, id string, patience time.Duration) (Import, error) {
	const pause = 50 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		imp, err := m.store.Import(ctx, by.UserID, id)
		if err != nil || !imp.FinishedAt.IsZero() || time.Now().After(end) {
			return imp, err
		}
		select {
		case <-ctx.Done():
			return imp, nil
		case <-time.After(pause):
		}
	}
}

// Rows returns rows of an import that the caller has got, by line: those after a line, with an outcome ("": any).
func (m *Importer) Rows(ctx context.Context, imp Import, outcome Outcome, after, limit int) ([]ImportRow, error) {
	return m.store.ImportRows(ctx, imp.ID, outcome, after, limit)
}

// keepImports is how long the report of an import can be read.
const keepImports = 30 * 24 * time.Hour

// Purge removes old reports.
func (m *Importer) Purge(ctx context.Context) error {
	return m.store.PurgeImports(ctx, m.now().Add(-keepImports))
}
