package inventorytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// Bench is a gate that is empty, for GateSuite.
type Bench struct {
	Gate, Other inventory.Gate // as two processes see it
	Pass        func()         // lets some milliseconds pass on the gate's clock
}

// GateSuite is what product relies on of its gate. The fake and the client of the real one pass it alike.
func GateSuite(t *testing.T, open func(t *testing.T) Bench) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, b Bench){
		"an order is held once, whole or not at all": testHold,
		"a repeat of a hold":                         testRepeat,
		"holds at the same time":                     testCrowd,
		"applies in any order":                       testApply,
		"a restored ledger":                          testInsteadOf,
		"what an apply records":                      testRecorded,
		"deadlines":                                  testDeadlines,
		"products with holds":                        testHeld,
		"locks":                                      testLocks,
		"malformed input":                            testMalformed,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func line(id string, quantity int64) inventory.Line {
	return inventory.Line{ProductID: id, Quantity: quantity}
}

func stock(id string, base, version int64, recorded ...string) inventory.Apply {
	return inventory.Apply{
		Stock:    inventory.Stock{ProductID: id, OnHand: base + 3, Reserved: 3, Version: version},
		Recorded: recorded,
	}
}

func (b Bench) apply(t *testing.T, items ...inventory.Apply) {
	t.Helper()
	if err := b.Gate.Apply(t.Context(), items); err != nil {
		t.Fatalf("apply %+v: %v", items, err)
	}
}

func (b Bench) hold(t *testing.T, order string, want string, lines ...inventory.Line) inventory.GateHold {
	t.Helper()
	v, err := b.Gate.Hold(t.Context(), order, lines, time.Minute)
	if want == "" && err == nil || want != "" && (err != nil || v.Status != want) {
		t.Fatalf("hold %s %v: %+v, %v; want %q (nothing: an error)", order, lines, v, err, want)
	}
	return v
}

// is looks at a product: base/version, then its holds in the order of their ids; "absent" if the gate has it not.
func (b Bench) is(t *testing.T, id, want string) {
	t.Helper()
	items, err := b.Gate.Inspect(t.Context(), []string{id})
	if err != nil || len(items) != 1 || items[0].ProductID != id {
		t.Fatalf("inspect %s: %+v, %v", id, items, err)
	}
	got, sum := "absent", int64(0)
	if g := items[0]; g.Present {
		got = fmt.Sprintf("%d/%d", g.Base, g.Version)
		for _, order := range slices.Sorted(maps.Keys(g.Holds)) {
			got += fmt.Sprintf(" %s:%d", order, g.Holds[order])
			sum += g.Holds[order]
		}
	}
	if got != want || items[0].Held != sum {
		t.Errorf("product %s is %q with %d held, want %q", id, got, items[0].Held, want)
	}
}

func testHold(t *testing.T, b Bench) {
	t.Helper()
	b.apply(t, stock("9", 2, 1), stock("10", 5, 1))
	v := b.hold(t, "1", "missing", line("9", 1), line("8", 1), line("10", 99), line("7", 1))
	if fmt.Sprint(v.Missing) != "[7 8]" || len(v.Shortages) > 0 {
		t.Errorf("missing: %+v", v)
	}
	b.hold(t, "1", "held", line("10", 1), line("9", 1), line("10", 2))
	b.is(t, "10", "5/1 1:3")
	b.is(t, "9", "2/1 1:1")
	v = b.hold(t, "2", "sold_out", line("9", 2), line("10", 3))
	if fmt.Sprint(v.Shortages) != "[{10 2} {9 1}]" || len(v.Missing) > 0 {
		t.Errorf("sold out: %+v, want what is left of both", v)
	}
	b.is(t, "10", "5/1 1:3")
	b.apply(t, stock("10", 1, 2)) // less than is held
	v = b.hold(t, "2", "sold_out", line("10", 1))
	if fmt.Sprint(v.Shortages) != "[{10 0}]" {
		t.Errorf("less than nothing is left: %+v, want 0", v)
	}
	for range 2 {
		if err := b.Gate.Unhold(t.Context(), "1"); err != nil {
			t.Error(err)
		}
	}
	b.is(t, "10", "1/2")
	b.hold(t, "2", "held", line("9", 2))
}

func testRepeat(t *testing.T, b Bench) {
	t.Helper()
	b.apply(t, stock("7", 5, 1), stock("8", 5, 1))
	b.hold(t, "1", "held", line("7", 2), line("8", 1))
	b.hold(t, "1", "held", line("8", 1), line("7", 1), line("7", 1))
	for name, other := range map[string][]inventory.Line{
		"fewer lines": {line("7", 2)}, "another quantity": {line("7", 2), line("8", 2)},
		"another product": {line("7", 2), line("9", 1)},
	} {
		if v, err := b.Gate.Hold(t.Context(), "1", other, time.Minute); err == nil {
			t.Errorf("%s: %+v, want an error", name, v)
		}
	}
	b.is(t, "7", "5/1 1:2")
	b.apply(t, stock("7", 3, 2, "1")) // half of the order is recorded
	b.hold(t, "1", "", line("7", 2), line("8", 1))
	b.apply(t, stock("8", 4, 2, "1"))
	b.hold(t, "1", "held", line("7", 2), line("8", 1))
}

func testApply(t *testing.T, b Bench) {
	t.Helper()
	b.is(t, "7", "absent")
	b.apply(t, stock("7", 5, 0))
	b.is(t, "7", "5/0")
	b.apply(t, stock("7", 6, 3), stock("8", 1, 1), stock("7", 9, 2))
	b.is(t, "7", "6/3")
	b.apply(t, stock("7", 7, 3))
	b.is(t, "7", "6/3")
	b.is(t, "8", "1/1")
	id, err := b.Gate.RunID(t.Context())
	again, errAgain := b.Other.RunID(t.Context())
	if err != nil || errAgain != nil || id == "" || id != again {
		t.Errorf("run id %q and %q, %v, %v", id, again, err, errAgain)
	}
}

func testInsteadOf(t *testing.T, b Bench) {
	t.Helper()
	instead := func(item inventory.Apply, version int64) inventory.Apply { item.InsteadOf = &version; return item }
	b.apply(t, instead(stock("7", 6, 9), 4)) // none to replace
	b.hold(t, "1", "held", line("7", 2))
	b.hold(t, "2", "held", line("7", 1))
	b.apply(t, instead(stock("7", 1, 5), 8))
	b.is(t, "7", "6/9 1:2 2:1")
	b.apply(t, instead(stock("7", 4, 5, "1"), 9))
	b.is(t, "7", "4/5 2:1")
	b.apply(t, instead(stock("7", 3, 5), 5)) // other stock of the same version
	b.is(t, "7", "3/5 2:1")
	b.apply(t, instead(stock("7", 8, 6), 2)) // newer anyway
	b.is(t, "7", "8/6 2:1")
}

func testRecorded(t *testing.T, b Bench) {
	t.Helper()
	b.apply(t, stock("7", 5, 5), stock("8", 5, 5))
	b.hold(t, "1", "held", line("7", 2), line("8", 1))
	b.hold(t, "2", "held", line("7", 1))
	b.apply(t, stock("7", 9, 4, "1", "none", "1")) // a version that is not newer
	b.is(t, "7", "5/5 2:1")
	b.is(t, "8", "5/5 1:1")
	b.apply(t, stock("8", 4, 6, "1"), stock("9", 1, 1, "1"))
	b.is(t, "8", "4/6")
	if err := b.Gate.Unhold(t.Context(), "2"); err != nil {
		t.Error(err)
	}
	b.is(t, "7", "5/5")
}

func testDeadlines(t *testing.T, b Bench) {
	t.Helper()
	ctx := t.Context()
	b.apply(t, stock("9", 9, 1), stock("10", 9, 1))
	due := func(limit int) string {
		t.Helper()
		holds, err := b.Gate.Due(ctx, limit)
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, h := range holds {
			text = append(text, fmt.Sprint(h.ID, h.Lines))
		}
		return strings.Join(text, " ")
	}
	short := func(order string, lines ...inventory.Line) {
		t.Helper()
		if v, err := b.Gate.Hold(ctx, order, lines, time.Millisecond); err != nil || v.Status != "held" {
			t.Fatalf("hold %s: %+v, %v", order, v, err)
		}
		for end := time.Now().Add(10 * time.Second); !strings.Contains(due(10), order+"["); b.Pass() {
			if time.Now().After(end) {
				t.Fatalf("the time of hold %s does not end", order)
			}
		}
	}
	short("b", line("9", 1), line("10", 2))
	short("a", line("9", 1))
	b.hold(t, "c", "held", line("9", 1))
	const both = "b[{10 2} {9 1}] a[{9 1}]" // the oldest first, and nothing goes by itself
	if got := due(10); got != both {
		t.Errorf("due: %q, want %q", got, both)
	}
	if got := due(1); got != "b[{10 2} {9 1}]" {
		t.Errorf("one that is due: %q", got)
	}
	b.apply(t, stock("10", 7, 2, "b")) // half of it
	if got := due(10); got != "b[{9 1}] a[{9 1}]" {
		t.Errorf("after half of it was recorded: %q", got)
	}
	if err := b.Gate.Extend(ctx, "b", time.Minute); err != nil {
		t.Error(err)
	}
	b.hold(t, "a", "held", line("9", 1)) // a repeat renews
	if got := due(10); got != "" {
		t.Errorf("after more time was given: %q, want none", got)
	}
	if err := b.Gate.Extend(ctx, "nobody", time.Millisecond); err != nil {
		t.Error(err)
	}
	b.Pass()
	if got := due(10); got != "" {
		t.Errorf("more time opened a hold: %q", got)
	}
}

func testHeld(t *testing.T, b Bench) {
	t.Helper()
	ctx := t.Context()
	b.apply(t, stock("7", 5, 1), stock("8", 5, 1), stock("9", 5, 1), stock("10", 5, 1))
	b.hold(t, "1", "held", line("7", 1), line("9", 1), line("10", 1))
	pages := func(limit int) (text string) {
		for cursor := ""; ; {
			ids, next, err := b.Gate.HeldProducts(ctx, cursor, limit)
			if err != nil || len(ids) > limit {
				t.Fatalf("held after %q: %v, %v", cursor, ids, err)
			}
			if text += fmt.Sprint(ids); next == "" {
				return text
			}
			cursor = next
		}
	}
	for limit, want := range map[int]string{1: "[10][7][9][]", 2: "[10 7][9]", 3: "[10 7 9][]", 4: "[10 7 9]"} {
		if got := pages(limit); got != want {
			t.Errorf("by %d: %s, want %s", limit, got, want)
		}
	}
	b.apply(t, stock("9", 4, 2, "1"))
	if got := pages(9); got != "[10 7]" {
		t.Errorf("after one was recorded: %s", got)
	}
	if err := b.Gate.Unhold(ctx, "1"); err != nil {
		t.Error(err)
	}
	if got := pages(9); got != "[]" {
		t.Errorf("after all were given back: %s", got)
	}
}

func testLocks(t *testing.T, b Bench) {
	t.Helper()
	take := func(g inventory.Gate, ttl time.Duration) bool {
		t.Helper()
		won, err := g.Lock(t.Context(), "rebuild:7", ttl)
		if err != nil {
			t.Fatal(err)
		}
		return won
	}
	if !take(b.Gate, time.Minute) || take(b.Other, time.Minute) {
		t.Error("want one winner")
	}
	if !take(b.Gate, time.Millisecond) {
		t.Error("whoever has it may take it again")
	}
	for end := time.Now().Add(10 * time.Second); !take(b.Other, time.Minute); b.Pass() {
		if time.Now().After(end) {
			t.Fatal("a lock does not end")
		}
	}
	if take(b.Gate, time.Minute) {
		t.Error("the first one still has it")
	}
}
