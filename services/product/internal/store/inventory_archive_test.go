package store

import (
	"testing"

	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/product/internal/inventory"
)

// archived archives all finished records and ledger entries, whatever their age.
func (s *fixture) archived(t *testing.T) {
	t.Helper()
	must(t, s.db.Exec("UPDATE stock_ledger SET at = now() - interval '100 days'").Error)
	must(t, s.store.Archive(ctx, archive.MinAge))
}

func (s *fixture) live(t *testing.T, table string) (n int) {
	t.Helper()
	must(t, s.db.Raw("SELECT count(*) FROM "+table).Scan(&n).Error)
	return n
}

// Late events for an archived order do not move stock twice, and the ledger still adds up.
func TestLateEventsOfAnArchivedOrderMoveNoStock(t *testing.T) {
	s := open(t)
	tea := s.offer(t, 10)
	lines := []inventory.Line{line(tea, 2)}
	paid, lost, open, refused := inventory.Order{
		ID:    "201",
		Lines: lines,
	}, inventory.Order{
		ID:    "202",
		Lines: lines,
	}, inventory.Order{
		ID:    "203",
		Lines: lines,
	},
		inventory.Order{
			ID:    "204",
			Lines: []inventory.Line{line(tea, 50)},
		}
	for _, o := range []inventory.Order{paid, lost, open} {
		s.hold(t, o.ID, lines...)
	}
	must(t, s.inventory.Reserve(ctx, paid, lost, open, refused))
	must(t, s.inventory.Deduct(ctx, paid))
	must(t, s.inventory.Release(ctx, lost))
	adjustment := inventory.Adjustment{ID: "50", ProductID: tea, Delta: 3, Reason: "found"}
	_, err := s.catalog.AdjustStock(ctx, seller, adjustment)
	must(t, err)
	for step, again := range map[string]func() error{
		"placed":    func() error { return s.inventory.Reserve(ctx, paid, lost, open, refused) },
		"paid":      func() error { return s.inventory.Deduct(ctx, paid) },
		"cancelled": func() error { return s.inventory.Release(ctx, lost, refused) },
		"adjusted":  func() error { _, err := s.catalog.AdjustStock(ctx, seller, adjustment); return err },
	} {
		s.archived(t)
		if s.live(t, "reservations") != 1 || s.live(t, "rejections") != 0 || s.live(t, "adjustments") != 0 ||
			s.live(t, "stock_ledger") != 0 {
			t.Fatalf("before %q there are %d reservations, %d rejections, %d adjustments, %d entries live", step,
				s.live(t, "reservations"), s.live(t, "rejections"), s.live(t, "adjustments"), s.live(t, "stock_ledger"))
		}
		must(t, again())
		s.wantStock(t, tea, 11, 2)
		if n := s.rejectedEvents(t); n != 1 {
			t.Errorf("%s: %d rejections were published", step, n)
		}
	}
	s.archived(t)
	_, recorded, err := s.store.StockSnapshot(ctx, nil, []string{"201", "202", "203", "204", "adj-50", "205"})
	must(t, err)
	if len(recorded) != 5 || recorded["205"] {
		t.Errorf("recorded: %v", recorded)
	}
	must(t, s.inventory.Deduct(ctx, open))
	s.wantStock(t, tea, 9, 0)
}
