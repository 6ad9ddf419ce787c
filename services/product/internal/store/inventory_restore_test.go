package store

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// backup copies what the service keeps and gives a function that brings it back, as an operator does with yesterday's
// copy.
func (s *fixture) backup(t *testing.T) (restore func()) {
	t.Helper()
	tables := []string{
		"products",
		"stock",
		"reservations",
		"rejections",
		"adjustments",
		"stock_ledger",
		"outbox",
		"outbox_head",
	}
	must(t, s.db.Exec("DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup").Error)
	for _, name := range tables {
		must(t, s.db.Exec("CREATE TABLE backup."+name+" AS TABLE "+name).Error)
	}
	return func() {
		t.Helper()
		must(
			t,
			s.db.Exec(
				"TRUNCATE products, stock, reservations, rejections, adjustments, stock_ledger, outbox, outbox_head",
			).Error,
		)
		for _, name := range tables {
			must(t, s.db.Exec("INSERT INTO "+name+" OVERRIDING SYSTEM VALUE TABLE backup."+name).Error)
		}
		s.told = nil
	}
}

func (s *fixture) sell(t *testing.T, order, id string, quantity int64) {
	t.Helper()
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, quantity)}}))
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, quantity)}}))
	s.tell(t)
}

// heard lets the feed of orders be read to its end after all that was found until now.
func (s *fixture) heard() { s.feed.Read(time.Now().Add(time.Hour)) }

// The ledger comes back as it was yesterday. The gate knows better what was sold since, so it keeps what it has until
// the ledger has heard of that again; then it takes the ledger's word, though its version is older.
func TestTheGateTakesARestoredLedger(t *testing.T) {
	s := open(t)
	id, other := s.offer(t, 10), s.offer(t, 5)
	restore := s.backup(t)
	s.sell(t, "1", id, 4)
	_, err := s.catalog.AdjustStock(
		ctx, seller, inventory.Adjustment{ID: "900", ProductID: id, Delta: 7, Reason: "delivery"},
	)
	must(t, err)
	s.tell(t)
	s.wantGate(t, id, 13, 0)
	restore()
	must(t, s.reconciler.Reconcile(ctx))
	s.wantGate(t, id, 13, 0)
	if s.metrics.Restored != 1 {
		t.Errorf("it was told %d times, want once", s.metrics.Restored)
	}
	s.sell(t, "1", id, 4) // the feed brings what was lost; nobody brings the delivery
	must(t, s.reconciler.WatchRedis(ctx))
	s.wantGate(t, id, 13, 0)
	s.heard()
	must(t, s.reconciler.WatchRedis(ctx))
	s.wantStock(t, id, 6, 0)
	s.wantGate(t, id, 6, 0)
	s.wantGate(t, other, 5, 0)

	s.sell(t, "2", id, 1) // and it goes on as ever
	s.wantGate(t, id, 5, 0)
	s.heard()
	must(t, s.reconciler.WatchRedis(ctx))
	must(t, s.reconciler.Reconcile(ctx))
	if s.metrics.Restored != 1 {
		t.Errorf("it was told %d times, want once", s.metrics.Restored)
	}
}

// The restored ledger may have come exactly as far as the gate by other changes: the version is the same, the stock is
// not. Or further: then it needs no help.
func TestARestoredLedgerMayHaveComeAsFar(t *testing.T) {
	for name, sales := range map[string]int{"as far": 2, "further": 3} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := s.offer(t, 100)
			restore := s.backup(t)
			for _, order := range []string{"1", "2"} {
				s.sell(t, order, id, 10)
			}
			restore()
			for i, order := range []string{"3", "4", "5"} {
				if i < sales {
					s.sell(t, order, id, 1)
				}
			}
			must(t, s.reconciler.Reconcile(ctx))
			s.heard()
			must(t, s.reconciler.WatchRedis(ctx))
			must(t, s.reconciler.Reconcile(ctx))
			s.wantStock(t, id, 100-int64(sales), 0)
			s.wantGate(t, id, 100-int64(sales), 0)
		})
	}
}

// Both are restored, to different moments, with holds under way: they agree in the end, and nothing is sold that is not
// there.
func TestGateAndLedgerRestoredToDifferentMoments(t *testing.T) {
	for name, gateIsOlder := range map[string]bool{"the gate's is older": true, "the ledger's is older": false} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := s.offer(t, 10)
			gate, ledger := s.gate.Snapshot(), s.backup(t)
			s.sell(t, "1", id, 3)
			s.orders.Known["1"], s.orders.Known["2"] = true, true
			s.hold(t, "2", line(id, 2))
			if gateIsOlder {
				ledger = s.backup(t)
			} else {
				gate = s.gate.Snapshot()
			}
			s.sell(t, "2", id, 2)
			gate()
			ledger()
			s.gate.Life = "second"
			must(t, s.reconciler.WatchRedis(ctx))
			for _, order := range []string{"1", "2"} { // the feed brings both again; the inbox knows which were handled
				q := map[string]int64{"1": 3, "2": 2}[order]
				must(t, s.inventory.Reserve(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, q)}}))
				must(t, s.inventory.Deduct(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, q)}}))
			}
			s.tell(t)
			s.heard()
			must(t, s.reconciler.WatchRedis(ctx))
			must(t, s.reconciler.Reconcile(ctx))
			s.wantStock(t, id, 5, 0)
			s.wantGate(t, id, 5, 0)
		})
	}
}

// What is sold between the reconciler's reading of the restored ledger and its word to the gate is not forgotten.
func TestASaleWhileTheGateTakesARestoredLedger(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	restore := s.backup(t)
	for _, order := range []string{"1", "2", "3"} {
		s.sell(t, order, id, 1)
	}
	restore()
	must(t, s.reconciler.Reconcile(ctx))
	s.heard()
	meanwhile := &busy{Gate: s.gate, before: func() { s.sell(t, "9", id, 2) }}
	reconciler := inventory.NewReconciler(
		s.store, meanwhile, s.orders, s.feed, func() time.Duration { return ttl }, s.metrics, slog.New(slog.DiscardHandler),
	)
	must(t, reconciler.Reconcile(ctx)) // finds it restored
	s.heard()
	must(t, reconciler.WatchRedis(ctx))
	s.wantStock(t, id, 8, 0)
	s.wantGate(t, id, 8, 0)
}

// busy is a gate at which something happens just before a product is replaced.
type busy struct {
	inventory.Gate
	before func()
}

func (b *busy) Apply(ctx context.Context, items []inventory.Apply) error {
	if b.before != nil && len(items) > 0 && items[0].InsteadOf != nil {
		b.before()
		b.before = nil
	}
	return b.Gate.Apply(ctx, items)
}

// A component of the version before does not know how to replace a newer version and refuses such a call. Everything
// else is brought in line all the same, and the rest once the component is new.
func TestAnOldComponentDoesNotStopConvergence(t *testing.T) {
	s := open(t)
	first, other := s.offer(t, 10), s.offer(t, 10)
	restore := s.backup(t)
	s.sell(t, "1", first, 1)
	restore()
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(other, 2)}}))
	s.told = nil // its apply is lost
	old := &refusing{Gate: s.gate, on: true}
	reconciler := inventory.NewReconciler(
		s.store, old, s.orders, s.feed, func() time.Duration { return ttl }, s.metrics, slog.New(slog.DiscardHandler),
	)
	for range 2 {
		must(t, reconciler.WatchRedis(ctx))
		s.heard()
	}
	s.wantGate(t, first, 9, 0)
	s.wantGate(t, other, 8, 0)
	old.on = false
	must(t, reconciler.WatchRedis(ctx))
	s.wantGate(t, first, 10, 0)
}

// refusing is a gate that takes no call that would replace a version.
type refusing struct {
	inventory.Gate
	on bool
}

func (r *refusing) Apply(ctx context.Context, items []inventory.Apply) error {
	for _, it := range items {
		if r.on && it.InsteadOf != nil {
			return errors.New("invalid input: unknown field \"instead_of\"")
		}
	}
	return r.Gate.Apply(ctx, items)
}
