package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
	"daprmall.dev/services/product/internal/inventory/inventorytest"
)

// fixture is the whole service on a real database, with a gate in memory. Changes for the gate wait in unapplied after
// a commit until a test applies them: a test that does not simulates a crash between commit and apply.
type fixture struct {
	db         *gorm.DB
	store      *Store
	gate       *inventorytest.Gate
	orders     *inventorytest.Orders
	feed       *inventorytest.Feed
	metrics    *inventorytest.Metrics
	inventory  *inventory.Service
	catalog    *catalog.Service
	reconciler *inventory.Reconciler
	mu         sync.Mutex
	unapplied  []inventory.Apply // under mu
	next       atomic.Int64
	maxUnits   int64  // of holdFor
	stranger   string // the id of an account that may not sell
}

// MaySell implements catalog.Sellers.
func (s *fixture) MaySell(_ context.Context, userID string) (bool, error) {
	return userID != s.stranger, nil
}

var (
	ctx    = context.Background()
	seller = catalog.Actor{UserID: "5", Seller: true}
	noon   = time.Date(2026, 8, 23, 12, 0, 0, 0, time.UTC)
)

const ttl = time.Minute

// counter makes ids.
type counter struct{ n *atomic.Int64 }

func (c counter) Next() (string, error) { return fmt.Sprint(c.n.Add(1)), nil }

type noBroker struct{}

func (noBroker) Publish(context.Context, string, []sidecar.Entry) (map[string]bool, error) {
	return nil, nil
}

func open(t *testing.T) *fixture {
	t.Helper()
	s := &fixture{gate: inventorytest.NewGate(), orders: &inventorytest.Orders{Known: map[string]bool{}},
		feed: &inventorytest.Feed{}, metrics: &inventorytest.Metrics{}}
	s.gate.Page = 1 // so that every test reads several pages
	s.db = postgrestest.Open(t, outbox.Migrations, Migrations)
	contractstest.CheckEventsAtEnd(t, s.db, "product")
	s.next.Store(100)
	s.use(s.db)
	return s
}

// use builds the service on a database.
func (s *fixture) use(db *gorm.DB) {
	log := slog.New(slog.DiscardHandler)
	out := outbox.New(db, "product", noBroker{}, log)
	s.store = New(db, out, func(items []inventory.Apply) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unapplied = append(s.unapplied, items...)
	})
	lives := func() time.Duration { return ttl }
	currency, now := func() string { return "CNY" }, func() time.Time { return noon }
	s.inventory = inventory.NewService(s.store, s.gate, lives, s.metrics)
	s.catalog = catalog.NewService(s.store, s.inventory, s, nil, counter{&s.next}, currency, now)
	s.reconciler = inventory.NewReconciler(s.store, s.gate, s.orders, s.feed, lives, s.metrics, log)
}

// applyChanges applies the committed changes to the gate, as GateSync does.
func (s *fixture) applyChanges(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	items := s.unapplied
	s.unapplied = nil
	s.mu.Unlock()
	if len(items) > 0 {
		if err := s.gate.Apply(ctx, items); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *fixture) offer(t *testing.T, stock int64) string {
	t.Helper()
	id := fmt.Sprint(s.next.Add(1))
	_, err := s.catalog.Create(
		ctx, id, seller,
		catalog.CreateParams{Name: "Teapot " + id, Description: "Holds a litre.", Price: 12900, Stock: stock},
	)
	if err != nil {
		t.Fatal(err)
	}
	s.applyChanges(t)
	return id
}

func (s *fixture) hold(t *testing.T, order string, lines ...inventory.Line) catalog.PricedHold {
	t.Helper()
	res, err := s.catalog.Hold(ctx, inventory.HoldRequest{OrderID: order, Lines: lines})
	if err != nil {
		t.Fatalf("hold %s: %v", order, err)
	}
	return res
}

func line(id string, quantity int64) inventory.Line {
	return inventory.Line{ProductID: id, Quantity: quantity}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantStock compares the stock in the database, and checks that it equals the sums of ledger and reservations.
func (s *fixture) wantStock(t *testing.T, id string, onHand, reserved int64) {
	t.Helper()
	stock, _, err := s.store.StockSnapshot(ctx, []string{id}, nil)
	must(t, err)
	if stock[0].OnHand != onHand || stock[0].Reserved != reserved {
		t.Errorf(
			"product %s has %d on hand, %d reserved, want %d and %d", id, stock[0].OnHand, stock[0].Reserved, onHand, reserved,
		)
	}
	var books struct{ Hand, Reserved, Open int64 }
	must(t, s.db.Raw(`SELECT (SELECT sum(on_hand_delta) FROM all_stock_ledger WHERE product_id = ?::bigint) AS hand,
		(SELECT sum(reserved_delta) FROM all_stock_ledger WHERE product_id = ?::bigint) AS reserved,
		(SELECT coalesce(sum(quantity), 0) FROM all_reservations
			WHERE product_id = ?::bigint AND state = 'reserved' AND from_stock) AS open`,
		id, id, id).Scan(&books).Error)
	if books.Hand != stock[0].OnHand || books.Reserved != stock[0].Reserved || books.Open != stock[0].Reserved {
		t.Errorf(
			"product %s: the ledger adds up to %d and %d, open reservations to %d, the stock is %+v", id, books.Hand,
			books.Reserved,
			books.Open, stock[0],
		)
	}
}

// wantGate compares the gate's base and held quantity.
func (s *fixture) wantGate(t *testing.T, id string, base, held int64) {
	t.Helper()
	b, h, present := s.gate.State(id)
	if !present || b != base || h != held {
		t.Errorf("gate of product %s: base %d, held %d, present %t; want %d and %d", id, b, h, present, base, held)
	}
}

func (s *fixture) rejectedEvents(t *testing.T) int {
	t.Helper()
	var n int
	must(t, s.db.Raw("SELECT count(*) FROM outbox WHERE type = 'mall.stock.rejected.v1'").Scan(&n).Error)
	return n
}

// inTx runs f in a transaction, which ends with f's error.
func (s *fixture) inTx(f func(ctx context.Context) error) error {
	return postgres.InTx(ctx, s.db, func(ctx context.Context, _ *gorm.DB) error { return f(ctx) })
}
