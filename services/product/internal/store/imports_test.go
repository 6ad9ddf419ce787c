package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
)

func (s *fixture) importer() *catalog.Importer {
	return catalog.NewImporter(s.store, counter{&s.next}, func() string { return "CNY" }, func() time.Time { return noon })
}

// fileRow is a row for a product with a stock of 3.
func fileRow(line int, sku, name, price string) catalog.ImportRow {
	stock := int64(3)
	return catalog.ImportRow{Line: line, SKU: sku,
		Params: catalog.ImportParams{Change: catalog.Change{Name: &name, PriceText: price}, Stock: &stock}}
}

// cups are the rows of a file with n products.
func cups(n int) []catalog.ImportRow {
	var rows []catalog.ImportRow
	for i := range n {
		rows = append(rows, fileRow(i+2, fmt.Sprintf("C-%d", i), fmt.Sprintf("Cup %d", i), "1.50"))
	}
	return rows
}

// file gives rows in pieces of 70.
func file(rows []catalog.ImportRow) catalog.ImportFile {
	rows = slices.Clone(rows)
	return catalog.ImportFile{Format: "jsonl", Ignored: []string{"Vendor"}, Next: func() ([]catalog.ImportRow, error) {
		n := min(70, len(rows))
		piece := rows[:n]
		if rows = rows[n:]; len(rows) == 0 {
			return piece, io.EOF
		}
		return piece, nil
	}}
}

func (s *fixture) begin(t *testing.T, by catalog.Actor, rows []catalog.ImportRow, dryRun bool) catalog.Import {
	t.Helper()
	imp, err := s.importer().Start(ctx, by, file(rows), dryRun)
	must(t, err)
	return imp
}

// work works through all imports and returns one of them.
func (s *fixture) work(t *testing.T, by catalog.Actor, id string) catalog.Import {
	t.Helper()
	for more := true; more; {
		var err error
		more, err = s.importer().Step(ctx)
		must(t, err)
	}
	imp, err := s.importer().Get(ctx, by, id)
	must(t, err)
	if imp.FinishedAt.IsZero() {
		t.Errorf("import %s has not finished: %+v", id, imp)
	}
	return imp
}

func (s *fixture) rows(t *testing.T, imp catalog.Import) []catalog.ImportRow {
	t.Helper()
	rows, err := s.importer().Rows(ctx, imp, "", 0, 1000)
	must(t, err)
	return rows
}

func (s *fixture) products(t *testing.T) int64 {
	t.Helper()
	var n int64
	must(t, s.db.Raw("SELECT count(*) FROM products WHERE deleted_at IS NULL").Scan(&n).Error)
	return n
}

func TestAnImportCreatesUpdatesAndRepeats(t *testing.T) {
	s := open(t)
	kept, _ := s.put(t, seller, withSKU("C-3", 700))
	rows := append(cups(130), fileRow(500, "C-5", "Twice", "1.00"), fileRow(501, "", "No sku", "1.00"),
		fileRow(502, "C-x", "", "1.00"), fileRow(503, "C-y", "Comma", "1.234,50"))
	dry := s.begin(t, seller, rows, true)
	dry = s.work(t, seller, dry.ID)
	want := catalog.ImportTotals{Rows: 134, Created: 129, Updated: 1, Refused: 4}
	if dry.Totals != want || s.products(t) != 1 {
		t.Errorf("a dry run: %+v and %d products, want %+v and 1", dry.Totals, s.products(t), want)
	}
	imp := s.work(t, seller, s.begin(t, seller, rows, false).ID)
	if imp.Totals != want || s.products(t) != 130 || imp.Ignored[0] != "Vendor" {
		t.Errorf("%+v and %d products, want %+v and 130", imp, s.products(t), want)
	}
	report := s.rows(t, imp)
	if len(report) != 134 || report[0].Outcome != catalog.Created || report[3].Outcome != catalog.Updated ||
		report[3].ProductID != kept.ID {
		t.Errorf("the report has %d rows and begins %+v", len(report), report[:4])
	}
	for i, says := range map[int]string{130: "is that of line 7 too", 131: "must not be empty", 132: "must not be empty",
		133: "must be an amount of CNY like 12.99"} {
		if r := report[i]; r.Outcome != catalog.Refused || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message,
			says) {
			t.Errorf("row %d: %+v, want refused: %s", i, r, says)
		}
	}
	s.wantStock(t, report[0].ProductID, 3, 0)
	s.wantStock(t, kept.ID, 3, 0)
	if len(s.unapplied) == 0 {
		t.Error("the gate was told of no stock")
	}
	again := s.work(t, seller, s.begin(t, seller, rows[:130], false).ID)
	if want := (catalog.ImportTotals{Rows: 130, Unchanged: 130}); again.Totals != want {
		t.Errorf("the same file again: %+v, want %+v", again.Totals, want)
	}
	if found := s.find(t, catalog.Query{Words: "cup 77"}); len(found) != 1 {
		t.Errorf("a search finds %v", found)
	}
	// What a row does not say stays as it is, and the stock always does.
	price := int64(999)
	only := []catalog.ImportRow{{Line: 2, SKU: "C-3", Params: catalog.ImportParams{Change: catalog.Change{Price: &price},
		Stock: new(int64(50))}}}
	if one := s.work(t, seller, s.begin(t, seller, only, false).ID); one.Totals.Updated != 1 {
		t.Errorf("only a price: %+v", one.Totals)
	}
	now, err := s.catalog.GetBySKU(ctx, seller, "C-3")
	if err != nil || now.Price.Amount != 999 || now.Name != "Cup 3" || now.Available != 3 {
		t.Errorf("%+v, %v", now, err)
	}
}

// An import whose process dies goes on where it was, and each row takes effect once.
func TestAnImportGoesOnAfterACrash(t *testing.T) {
	s := open(t)
	imp := s.begin(t, seller, cups(180), false)
	if _, err := s.importer().Step(ctx); err != nil {
		t.Fatal(err)
	}
	crash := errors.New("crash")
	calls := 0
	_, err := s.store.WorkImport(ctx, 50, func(imp catalog.Import, r *catalog.ImportRow, found *catalog.Product,
	) (*catalog.Product, error) {
		if calls++; calls == 20 {
			return nil, crash
		}
		return r.Decide(found, fmt.Sprint(s.next.Add(1)), imp, noon), nil
	})
	if !errors.Is(err, crash) || s.products(t) != 50 {
		t.Fatalf("%v and %d products, want the crash and those of the first step", err, s.products(t))
	}
	gone, cancel := context.WithCancel(ctx)
	_, err = s.store.WorkImport(gone, 50, func(imp catalog.Import, r *catalog.ImportRow, found *catalog.Product,
	) (*catalog.Product, error) {
		cancel() // the connection breaks in the middle of the transaction
		return r.Decide(found, fmt.Sprint(s.next.Add(1)), imp, noon), nil
	})
	if err == nil || s.products(t) != 50 {
		t.Fatalf("%v and %d products", err, s.products(t))
	}
	// Two replicas go on at the same time.
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for {
				more, err := s.importer().Step(ctx)
				if err != nil {
					t.Error(err)
				}
				if !more {
					return
				}
			}
		})
	}
	both.Wait()
	imp = s.work(t, seller, imp.ID)
	if want := (catalog.ImportTotals{Rows: 180, Created: 180}); imp.Totals != want || s.products(t) != 180 {
		t.Errorf("%+v and %d products, want %+v and 180", imp.Totals, s.products(t), want)
	}
	var ledger int64
	must(t, s.db.Raw("SELECT count(*) FROM stock_ledger WHERE kind = 'initial'").Scan(&ledger).Error)
	if ledger != 180 {
		t.Errorf("%d ledgers were opened", ledger)
	}
}

// A product that is put while its row waits is found by the import, and never doubled.
func TestAnImportAndPutsMakeOneProductPerSKU(t *testing.T) {
	s := open(t)
	imp := s.begin(t, seller, cups(100), false)
	var puts sync.WaitGroup
	for w := range 4 {
		puts.Go(func() {
			for i := w; i < 100; i += 4 {
				_, _, err := s.catalog.PutBySKU(ctx, seller, catalog.Put{Params: withSKU(fmt.Sprintf("C-%d", 99-i), 100)})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	imp = s.work(t, seller, imp.ID)
	puts.Wait()
	if n := imp.Totals.Created + imp.Totals.Updated + imp.Totals.Unchanged; n != 100 || s.products(t) != 100 {
		t.Errorf("%+v and %d products, want 100", imp.Totals, s.products(t))
	}
	t.Logf("%+v", imp.Totals)
}

// A row whose sku gets a product while the import inserts its own, or whose product changes, is decided again.
func TestARowWaitsForAPutOfItsSKU(t *testing.T) {
	s := open(t)
	s.put(t, seller, withSKU("C-2", 100))
	imp := s.begin(t, seller, cups(3), false)
	_, err := s.store.WorkImport(ctx, 50, func(imp catalog.Import, r *catalog.ImportRow, found *catalog.Product,
	) (*catalog.Product, error) {
		if r.SKU == "C-1" && found == nil {
			s.put(t, seller, withSKU("C-1", 100)) // after it was looked for, and before it is inserted
		}
		if r.SKU == "C-2" && found.Attributes().Version == 1 {
			s.put(t, seller, withSKU("C-2", 200)) // after it was read, and before it is changed
		}
		return r.Decide(found, fmt.Sprint(s.next.Add(1)), imp, noon), nil
	})
	must(t, err)
	imp = s.work(t, seller, imp.ID)
	if want := (catalog.ImportTotals{Rows: 3, Created: 1, Updated: 2}); imp.Totals != want || s.products(t) != 3 {
		t.Errorf("%+v and %d products, want %+v and 3", imp.Totals, s.products(t), want)
	}
}

// Searches must not wait for PostgreSQL to notice that there are many products now.
func TestAnImportOfManyProductsMakesStatistics(t *testing.T) {
	s := open(t)
	known := func() (n float64) {
		must(t, s.db.Raw("SELECT reltuples FROM pg_class WHERE oid = 'products'::regclass").Scan(&n).Error)
		return n
	}
	before := known()
	s.work(t, seller, s.begin(t, seller, cups(1200), false).ID)
	if now := known(); before > 0 || now < 1000 {
		t.Errorf("the planner knew of %v products, and knows of %v", before, now)
	}
}

func TestASellerHasOneImportAtATime(t *testing.T) {
	s := open(t)
	other := catalog.Actor{UserID: "6", Seller: true}
	first := s.begin(t, seller, cups(60), false)
	_, err := s.importer().Start(ctx, seller, file(cups(1)), true)
	if problem.CodeOf(err) != "import_running" || !strings.Contains(err.Error(), first.ID) {
		t.Errorf("a second import: %v, want import_running that names %s", err, first.ID)
	}
	theirs := s.begin(t, other, cups(1), false)
	if _, err := s.importer().Get(ctx, other, first.ID); problem.KindOf(err) != problem.NotFound {
		t.Errorf("another seller reads the import: %v", err)
	}
	s.work(t, seller, first.ID)
	s.work(t, other, theirs.ID)
	for what, rows := range map[string][]catalog.ImportRow{"empty": nil, "too long": cups(catalog.MaxImportRows + 1)} {
		if _, err := s.importer().Start(ctx, seller, file(rows), false); problem.KindOf(err) != problem.Invalid &&
			problem.KindOf(err) != problem.TooLarge {
			t.Errorf("a file that is %s: %v", what, err)
		}
	}
	broken := catalog.ImportFile{Next: func() ([]catalog.ImportRow, error) { return cups(1), io.ErrUnexpectedEOF }}
	if _, err := s.importer().Start(ctx, seller, broken, false); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that breaks off: %v", err)
	}
	refused := s.begin(t, seller, []catalog.ImportRow{fileRow(2, "", "x", "1")}, false)
	if refused.FinishedAt.IsZero() || refused.Totals.Refused != 1 {
		t.Errorf("a file of refused rows: %+v, want it finished at once", refused)
	}
	var left int64
	must(t, s.store.PurgeImports(ctx, time.Now().Add(time.Hour)))
	must(t, s.db.Raw("SELECT (SELECT count(*) FROM imports) + (SELECT count(*) FROM import_rows)").Scan(&left).Error)
	if left != 0 {
		t.Errorf("%d rows are left", left)
	}
}

// Whether stock is tracked is set on new products, and changed on others if a row says so.
func TestAnImportSaysWhetherStockIsTracked(t *testing.T) {
	s := open(t)
	no, yes := false, true
	rows := cups(3)
	rows[0].Params.TrackNew = &no
	rows[1].Params.Tracked = &no
	s.work(t, seller, s.begin(t, seller, rows, false).ID)
	untracked := func() (all [3]bool) {
		for i := range all {
			v, err := s.catalog.GetBySKU(ctx, seller, fmt.Sprintf("C-%d", i))
			must(t, err)
			all[i] = v.Untracked
		}
		return all
	}
	if got := untracked(); got != [3]bool{true, true, false} {
		t.Errorf("untracked: %v", got)
	}
	rows[0].Params.TrackNew, rows[1].Params.Tracked = &yes, &yes
	imp := s.work(t, seller, s.begin(t, seller, rows, false).ID)
	if got := untracked(); got != [3]bool{true, false, false} || imp.Totals.Updated != 1 || imp.Totals.Unchanged != 2 {
		t.Errorf("untracked after another import: %v, %+v", got, imp.Totals)
	}
}

// A reader may return more rows at once than one statement takes.
func TestAPieceOfAFileMayHaveManyRows(t *testing.T) {
	s := open(t)
	rows := cups(10_000)
	file := catalog.ImportFile{Format: "shopify", Ignored: []string{}, Next: func() ([]catalog.ImportRow, error) {
		return rows, io.EOF
	}}
	imp, err := s.importer().Start(ctx, seller, file, true)
	must(t, err)
	if imp.Totals.Rows != len(rows) {
		t.Errorf("%d rows are stored, want %d", imp.Totals.Rows, len(rows))
	}
}

func TestAFileIsNotReadOnForACallerWhoHasLeft(t *testing.T) {
	s := open(t)
	gone, leave := context.WithCancel(ctx)
	pieces := 0
	file := catalog.ImportFile{Format: "shopify", Ignored: []string{}, Next: func() ([]catalog.ImportRow, error) {
		pieces++
		leave()
		return nil, nil
	}}
	_, err := s.importer().Start(gone, seller, file, true)
	if !errors.Is(err, context.Canceled) || pieces != 1 {
		t.Errorf("%d pieces were read, then %v", pieces, err)
	}
}

func TestASellerKeepsTheNewestReports(t *testing.T) {
	s := open(t)
	refused := []catalog.ImportRow{fileRow(2, "", "x", "1")}
	other := s.begin(t, catalog.Actor{UserID: "6", Seller: true}, refused, false)
	var all []catalog.Import
	for range keepReports + 3 {
		all = append(all, s.begin(t, seller, refused, false))
	}
	for i, imp := range all {
		_, err := s.importer().Get(ctx, seller, imp.ID)
		if gone := problem.KindOf(err) == problem.NotFound; gone != (i < 2) { // the newest began after the last removal
			t.Errorf("report %d: %v", i, err)
		}
	}
	if _, err := s.importer().Get(ctx, catalog.Actor{UserID: "6", Seller: true}, other.ID); err != nil {
		t.Errorf("another seller's report: %v", err)
	}
	var rows int
	must(t, s.db.Raw("SELECT count(*) FROM import_rows").Scan(&rows).Error)
	if rows != keepReports+2 {
		t.Errorf("%d rows are left, want %d", rows, keepReports+2)
	}
}
