package store

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// backup copies the service's tables. The function it returns restores them, as an operator restores an older backup.
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
		s.unapplied = nil
	}
}

func (s *fixture) sell(t *testing.T, order, id string, quantity int64) {
	t.Helper()
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, quantity)}}))
	must(t, s.inventory.Deduct(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, quantity)}}))
	s.applyChanges(t)
}

// readFeedToEnd makes it look as if the feed of orders was read to its end after everything found so far.
func (s *fixture) readFeedToEnd() { s.feed.Read(time.Now().Add(time.Hour)) }

// The ledger is restored to an earlier state. The gate knows of later sales, so it keeps its state until the ledger has
// received them again. Then it takes over the ledger's state, although that has an older version.
func TestTheGateTakesOverARestoredLedger(t *testing.T) {
	s := open(t)
	id, other := s.offer(t, 10), s.offer(t, 5)
	restore := s.backup(t)
	s.sell(t, "1", id, 4)
	_, err := s.catalog.AdjustStock(
		ctx, seller, inventory.Adjustment{ID: "900", ProductID: id, Delta: 7, Reason: "delivery"},
	)
	must(t, err)
	s.applyChanges(t)
	s.wantGate(t, id, 13, 0)
	restore()
	must(t, s.reconciler.Reconcile(ctx))
	s.wantGate(t, id, 13, 0)
	if s.metrics.Restored != 1 {
		t.Errorf("it was reported %d times, want once", s.metrics.Restored)
	}
	s.sell(t, "1", id, 4) // the feed delivers the lost sale, but nothing restores the delivery
	must(t, s.reconciler.WatchRedis(ctx))
	s.wantGate(t, id, 13, 0)
	s.readFeedToEnd()
	must(t, s.reconciler.WatchRedis(ctx))
	s.wantStock(t, id, 6, 0)
	s.wantGate(t, id, 6, 0)
	s.wantGate(t, other, 5, 0)

	s.sell(t, "2", id, 1) // later changes are applied as usual
	s.wantGate(t, id, 5, 0)
	s.readFeedToEnd()
	must(t, s.reconciler.WatchRedis(ctx))
	must(t, s.reconciler.Reconcile(ctx))
	if s.metrics.Restored != 1 {
		t.Errorf("it was reported %d times, want once", s.metrics.Restored)
	}
}

// With other changes, the restored ledger may reach the gate's version with another stock, or a later version, which
// needs no repair.
func TestARestoredLedgerWithTheGatesVersion(t *testing.T) {
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
			s.readFeedToEnd()
			must(t, s.reconciler.WatchRedis(ctx))
			must(t, s.reconciler.Reconcile(ctx))
			s.wantStock(t, id, 100-int64(sales), 0)
			s.wantGate(t, id, 100-int64(sales), 0)
		})
	}
}

// Gate and ledger are restored to different times, with open holds: they agree in the end, and nothing is oversold.
func TestGateAndLedgerRestoredToDifferentTimes(t *testing.T) {
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
			for _, order := range []string{"1", "2"} { // the feed delivers both again, and the inbox knows which were handled
				q := map[string]int64{"1": 3, "2": 2}[order]
				must(t, s.inventory.Reserve(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, q)}}))
				must(t, s.inventory.Deduct(ctx, inventory.Order{ID: order, Lines: []inventory.Line{line(id, q)}}))
			}
			s.applyChanges(t)
			s.readFeedToEnd()
			must(t, s.reconciler.WatchRedis(ctx))
			must(t, s.reconciler.Reconcile(ctx))
			s.wantStock(t, id, 5, 0)
			s.wantGate(t, id, 5, 0)
		})
	}
}

// A sale between reading the restored ledger and applying it to the gate is not lost.
func TestASaleWhileTheGateTakesOverARestoredLedger(t *testing.T) {
	s := open(t)
	id := s.offer(t, 10)
	restore := s.backup(t)
	for _, order := range []string{"1", "2", "3"} {
		s.sell(t, order, id, 1)
	}
	restore()
	must(t, s.reconciler.Reconcile(ctx))
	s.readFeedToEnd()
	meanwhile := &interruptedGate{Gate: s.gate, before: func() { s.sell(t, "9", id, 2) }}
	reconciler := inventory.NewReconciler(
		s.store, meanwhile, s.orders, s.feed, func() time.Duration { return ttl }, s.metrics, slog.New(slog.DiscardHandler),
	)
	must(t, reconciler.Reconcile(ctx)) // detects the restore
	s.readFeedToEnd()
	must(t, reconciler.WatchRedis(ctx))
	s.wantStock(t, id, 8, 0)
	s.wantGate(t, id, 8, 0)
}

// interruptedGate is a gate that runs a function just before a product is replaced.
type interruptedGate struct {
	inventory.Gate
	before func()
}

func (b *interruptedGate) Apply(ctx context.Context, items []inventory.Apply) error {
	if b.before != nil && len(items) > 0 && items[0].InsteadOf != nil {
		b.before()
		b.before = nil
	}
	return b.Gate.Apply(ctx, items)
}

// An older version of the component does not know instead_of and refuses such calls. All other products are reconciled,
// and the rest once the component is new.
func TestAnOldComponentDoesNotStopReconciling(t *testing.T) {
	s := open(t)
	first, other := s.offer(t, 10), s.offer(t, 10)
	restore := s.backup(t)
	s.sell(t, "1", first, 1)
	restore()
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "2", Lines: []inventory.Line{line(other, 2)}}))
	s.unapplied = nil // its apply is lost
	old := &oldGate{Gate: s.gate, on: true}
	reconciler := inventory.NewReconciler(
		s.store, old, s.orders, s.feed, func() time.Duration { return ttl }, s.metrics, slog.New(slog.DiscardHandler),
	)
	for range 2 {
		must(t, reconciler.WatchRedis(ctx))
		s.readFeedToEnd()
	}
	s.wantGate(t, first, 9, 0)
	s.wantGate(t, other, 8, 0)
	old.on = false
	must(t, reconciler.WatchRedis(ctx))
	s.wantGate(t, first, 10, 0)
}

// oldGate is a gate that refuses calls with instead_of.
type oldGate struct {
	inventory.Gate
	on bool
}

func (r *oldGate) Apply(ctx context.Context, items []inventory.Apply) error {
	for _, it := range items {
		if r.on && it.InsteadOf != nil {
			return errors.New("invalid input: unknown field \"instead_of\"")
		}
	}
	return r.Gate.Apply(ctx, items)
}
