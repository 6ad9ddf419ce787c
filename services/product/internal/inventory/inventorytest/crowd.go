package inventorytest

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// testCrowd: holds at the same time get the answers that they would get one after the other.
func testCrowd(t *testing.T, b Bench) {
	t.Helper()
	b.apply(t, stock("7", 20, 1), stock("8", 100, 1))
	var mu sync.Mutex
	got := map[string]int{}
	begin := make(chan struct{})
	var wg sync.WaitGroup
	hold := func(kind, order string, buyer inventory.Buyer, lines ...inventory.Line) {
		wg.Go(func() {
			<-begin
			v, err := b.Gate.HoldFor(t.Context(), buyer, order, lines, time.Minute)
			if err != nil {
				v.Status = "an error"
			}
			mu.Lock()
			defer mu.Unlock()
			got[kind+": "+v.Status]++
		})
	}
	for i := range 40 {
		id := fmt.Sprint(100 + i)
		hold("20 units", id, inventory.Buyer{ID: id, MaxUnits: 3}, line("7", 1))
	}
	for i := range 8 {
		hold("one order", "500", inventory.Buyer{ID: "71", MaxUnits: 3}, line("8", 2), line("8", 1))
		hold("one shopper", fmt.Sprint(510+i), inventory.Buyer{ID: "72", MaxUnits: 3}, line("8", 1))
		hold("malformed", fmt.Sprint(520+i), inventory.Buyer{}, line("8", 0))
		hold("not in the gate", fmt.Sprint(530+i), inventory.Buyer{}, line("8", 1), line("9", 1))
	}
	for i := range int64(2) {
		hold("other lines", "540", inventory.Buyer{}, line("8", 1+i))
	}
	close(begin)
	wg.Wait()
	want := map[string]int{"20 units: held": 20, "20 units: sold_out": 20, "one order: held": 8, "one shopper: held": 3,
		"one shopper: too_many": 5, "malformed: an error": 8, "not in the gate: missing": 8, "other lines: held": 1,
		"other lines: an error": 1}
	if !maps.Equal(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	items, err := b.Gate.Inspect(t.Context(), []string{"7", "8"})
	if err != nil || items[0].Held != 20 || items[1].Held != 6+items[1].Holds["540"] || len(items[1].Holds) != 5 {
		t.Errorf("the gate has %+v, %v", items, err)
	}
}
