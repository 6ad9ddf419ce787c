package store

import (
	"fmt"
	"testing"
	"time"

	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// The ledger is kept forever and a mall has many products, so no statement may read all of them: with many finished
// records, live and archived, every statement uses an index.
func TestNoStatementReadsTheWholeLedger(t *testing.T) {
	s := open(t)
	n := postgrestest.Rows(t)
	young := ids.FirstAt(time.Now().Add(-24 * time.Hour))
	for _, sql := range []string{
		`INSERT INTO products (id, seller_id, name, description, category, image_url, price, currency, version,
				search, search_rules, search_version, created_at, updated_at)
			SELECT i, 5, 'cup ' || i, repeat('It holds tea. ', 30), 'c/' || i % 50, '', 100 + i, 'CNY', 1,
				setweight(to_tsvector('pg_catalog.simple', 'cup ' || i), 'A'), 2, 1, now(), now()
			FROM generate_series(1000, 999 + ?) i`,
		`INSERT INTO stock SELECT i, 1000, 0, 1 FROM generate_series(1000, 999 + ?) i`,
	} {
		must(t, s.db.Exec(sql, n).Error)
	}
	for table, first := range map[string]int64{"": young, "archived_": 1_000_000} {
		for _, sql := range []string{
			`INSERT INTO %sreservations (order_id, product_id, quantity, state)
				SELECT i, 1000 + i %% 5000, 1, 'deducted' FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %sstock_ledger (product_id, stock_version, kind, on_hand_delta, reserved_delta, on_hand,
				reserved, order_id)
				SELECT 1000 + i %% 5000, 2 + i / 5000, 'reserve', 0, 1, 1000, 1, i FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %srejections (order_id, shortages) SELECT i + 5000000, '[]' FROM generate_series(?::bigint, ?) i`,
			`INSERT INTO %sadjustments (id, product_id, delta, reason, actor)
				SELECT i, 1000 + i %% 5000, 1, '', 5 FROM generate_series(?::bigint, ?) i`,
		} {
			must(t, s.db.Exec(fmt.Sprintf(sql, table), first, first+int64(n)-1).Error)
		}
	}
	must(t, s.db.Exec("ANALYZE").Error)
	watched := postgrestest.Watch(s.db)
	s.use(watched.DB)

	tea := s.offer(t, 10)
	lines := []inventory.Line{line(tea, 2), line("1001", 1)}
	s.hold(t, "100", lines...)
	must(
		t,
		s.inventory.Reserve(
			ctx, inventory.Order{ID: "100", Lines: lines}, inventory.Order{ID: "101", Lines: []inventory.Line{line(tea, 100)}},
		),
	)
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: "100", Lines: lines}))
	must(t, s.inventory.Release(ctx, inventory.Order{ID: "102", Lines: lines}))
	must(t, s.store.Lock(ctx, tea, "1001"))
	_, err := s.store.IndexAgain(ctx)
	must(t, err)
	_, err = s.store.IndexCategories(ctx)
	must(t, err)
	_, err = s.store.Categories(ctx)
	must(t, err)
	_, err = s.store.List(ctx, catalog.ListFilter{SellerID: seller.UserID, After: "1500", Limit: 20})
	must(t, err)
	_, err = s.store.List(ctx, catalog.ListFilter{SellerID: seller.UserID, SKU: "T-1", Limit: 20})
	must(t, err)
	s.put(t, seller, withSKU("T-1", 100))
	s.work(t, seller, s.begin(t, seller, cups(3), false).ID)
	_, err = s.store.BySKU(ctx, seller.UserID, "T-1")
	must(t, err)
	_, err = s.catalog.AdjustStock(ctx, seller, inventory.Adjustment{ID: "50", ProductID: tea, Delta: 3, Reason: "found"})
	must(t, err)
	_, err = s.catalog.Get(ctx, "1002")
	must(t, err)
	_, err = s.store.Offers(ctx, []string{"1001", "1002", "1003"})
	must(t, err)
	_, _, err = s.store.OffersFor(ctx, "42", []string{"1001", "1002", "1003"})
	must(t, err)
	_, err = s.store.UnpaidUnits(ctx, "42", []string{"1001", "1002"})
	must(t, err)
	for _, f := range []inventory.HoldFilter{{}, {OrderID: "20001"}, {ProductID: "1001"}, {ShopperID: "42"},
		{AfterOrder: "20001", AfterProduct: "1001"}} {
		f.Limit = 20
		_, err = s.store.StockOfOrder(ctx, "100")
		must(t, err)
		_, err = s.store.Ledger(ctx, "1001", 3, 20)
		must(t, err)
		_, err = s.store.UnpaidHolds(ctx, f)
		must(t, err)
	}
	_, err = s.store.Change(ctx, "1004", func(*catalog.Product) error { return nil })
	must(t, err)
	holds := []string{"adj-50"}
	for i := range 200 {
		holds = append(holds, fmt.Sprint(20000+i))
	}
	ids, err := s.store.StockIDs(ctx, "2000", 200)
	must(t, err)
	_, _, err = s.store.StockSnapshot(ctx, ids, holds)
	must(t, err)
	must(t, s.reconciler.Reconcile(ctx))
	must(t, s.reconciler.ExpireHolds(ctx))
	must(t, s.store.Archive(ctx, 0))
	low, high := int64(1000), int64(1100)
	for _, q := range []catalog.Query{
		{Sort: catalog.Newest}, {Sort: catalog.Newest, After: &catalog.Cursor{ID: "3000"}},
		{Sort: catalog.PriceUp}, {Sort: catalog.PriceUp, After: &catalog.Cursor{Price: 2000, ID: "1900"}},
		{Sort: catalog.PriceDown, After: &catalog.Cursor{Price: 2000, ID: "1900"}},
		{Sort: catalog.PriceUp, Category: "c/7"}, {Sort: catalog.PriceUp, Category: "C/7"},
		{Sort: catalog.Newest, Category: "c"}, {Sort: catalog.PriceUp, MinPrice: &low, MaxPrice: &high},
		{Sort: catalog.Relevance, Words: "1234"},
		{Sort: catalog.Relevance, Words: "1234", After: &catalog.Cursor{Rank: 0.1, ID: "1000"}},
	} {
		q.PageSize = 20
		page, err := s.store.Search(ctx, q)
		if err != nil {
			t.Errorf("search %+v: %v", q, err)
		}
		if q.After == nil && len(page.Items) == 0 {
			t.Errorf("search %+v found nothing", q)
		}
	}
	if watched.Seen() < 25 {
		t.Errorf("only %d statements were seen", watched.Seen())
	}
	for _, found := range watched.WholeTables(t, "reservations", "stock_ledger", "rejections", "adjustments",
		"stock", "products",
		"archived_reservations", "archived_stock_ledger", "archived_rejections", "archived_adjustments") {
		t.Errorf("a statement reads all of %s", found)
	}
}

// Pages follow the numeric order of the ids, whatever their length, and skip none.
func TestStockIDsAreInNumericOrder(t *testing.T) {
	s := open(t)
	must(
		t,
		s.db.Exec(
			`INSERT INTO products (id, seller_id, name, description, category, image_url, price, currency, version,
				search, created_at, updated_at)
		SELECT i, 5, '', '', '', '', 1, 'CNY', 1, '', now(), now() FROM generate_series(8, 12) i`,
		).Error,
	)
	must(t, s.db.Exec("INSERT INTO stock SELECT i, 1, 0, 1 FROM generate_series(8, 12) i").Error)
	var all []string
	for after := ""; ; {
		ids, err := s.store.StockIDs(ctx, after, 2)
		must(t, err)
		if len(ids) == 0 {
			break
		}
		all, after = append(all, ids...), ids[len(ids)-1]
	}
	if fmt.Sprint(all) != "[8 9 10 11 12]" {
		t.Errorf("pages gave %v", all)
	}
}
