package store

import (
	"slices"
	"testing"

	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

// A hold of more than one order may have is refused and takes nothing; what is held already stays.
func TestAHoldRespectsTheMaximumPerOrder(t *testing.T) {
	s := open(t)
	tea, cup := s.offer(t, 10), s.offer(t, 10)
	two := int64(2)
	v, err := s.catalog.Change(ctx, tea, seller, 1, catalog.Change{MaxPerOrder: &catalog.Maximum{Units: &two}})
	must(t, err)
	if v.MaxPerOrder != 2 {
		t.Errorf("the maximum is %d, want 2", v.MaxPerOrder)
	}
	want := []inventory.Shortage{{ProductID: tea, Available: 2}}
	res := s.hold(t, "500", line(cup, 3), line(tea, 1), line(tea, 2))
	if res.Status != catalog.TooMany || !slices.Equal(res.Shortages, want) {
		t.Errorf("hold of 3: %+v, want %v", res, want)
	}
	if res := s.hold(t, "501", line(tea, 2), line(cup, 3)); res.Status != inventory.Held {
		t.Errorf("hold of 2: %+v", res)
	}
	if res := s.hold(t, "502", line(tea, 2)); res.Status != inventory.Held {
		t.Errorf("hold of another order: %+v", res)
	}
	s.wantGate(t, tea, 10, 4)
	s.wantGate(t, cup, 10, 3)
	one := int64(1)
	_, err = s.catalog.Change(ctx, tea, seller, 2, catalog.Change{MaxPerOrder: &catalog.Maximum{Units: &one}})
	must(t, err)
	if res := s.hold(t, "502", line(tea, 2)); res.Status != catalog.TooMany {
		t.Errorf("a retry over a lower maximum: %+v", res)
	}
	s.wantGate(t, tea, 10, 4)
}
