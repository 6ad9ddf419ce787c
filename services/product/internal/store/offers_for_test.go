package store

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"

	"daprmall.dev/services/product/internal/inventory"
)

// Holds of many shoppers at once read the same as one after the other, each what is reserved for its own shopper.
func TestHoldsReadTogetherWhatTheyReadAlone(t *testing.T) {
	s := open(t)
	ids := []string{s.offer(t, 100), s.offer(t, 100), s.offer(t, 100)}
	for shopper := range 10 {
		for i, id := range ids[:shopper%3] {
			order := fmt.Sprint(1000 + 10*shopper + i)
			s.holdFor(t, fmt.Sprint(70+shopper), order, inventory.Held, line(id, int64(1+i)))
			s.place(t, fmt.Sprint(70+shopper), order, line(id, int64(1+i)))
		}
	}
	read := func(shopper int, ask ...string) string {
		who := fmt.Sprint(70 + shopper)
		if shopper < 0 {
			who = ""
		}
		offers, unpaid, err := s.store.OffersFor(ctx, who, ask)
		if err != nil {
			t.Error(err)
		}
		slices.SortFunc(unpaid, func(a, b inventory.OwnUnits) int { return cmp.Compare(a.OrderID, b.OrderID) })
		return fmt.Sprintf("%+v %+v", offers, unpaid)
	}
	asked := func(i int) []string {
		return [][]string{{ids[0]}, {ids[1], "999999"}, {ids[2], ids[0], ids[1]}, {}}[i%4]
	}
	want := make([]string, 44)
	for i := range want {
		want[i] = read(i%11-1, asked(i)...)
	}
	if _, unpaid, err := s.store.OffersFor(ctx, "72", ids); err != nil || len(unpaid) != 2 ||
		unpaid[0].Quantity+unpaid[1].Quantity != 3 {
		t.Fatalf("shopper 72 has reserved %+v, %v; want one unit and two", unpaid, err)
	}
	var wg sync.WaitGroup
	for i := range 10 * len(want) {
		wg.Go(func() {
			i %= len(want)
			if got := read(i%11-1, asked(i)...); got != want[i] {
				t.Errorf("together %s, alone %s", got, want[i])
			}
		})
	}
	wg.Wait()
	if _, _, err := s.store.OffersFor(ctx, "nobody", ids); err == nil {
		t.Error("a shopper whose id is none was answered")
	}
}
