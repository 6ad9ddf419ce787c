package inventorytest

import (
	"context"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

func testMalformed(t *testing.T, b Bench) {
	t.Helper()
	b.apply(t, stock("7", 5, 1))
	b.hold(t, "1", "held", line("7", 1))
	many := func(n int) []string { return strings.Split(strings.Repeat("7,", n)+"7", ",") }
	lines := make([]inventory.Line, 201)
	for i := range lines {
		lines[i] = line("7", 1)
	}
	long := strings.Repeat("9", 65)
	minus := int64(-1)
	replacement := inventory.Apply{Stock: inventory.Stock{ProductID: "7", Version: 9}, InsteadOf: &minus}
	strange, ttl := []string{"\x00"}, time.Minute
	hold := func(id string, ttl time.Duration, lines ...inventory.Line) func(context.Context) error {
		return func(ctx context.Context) error { _, err := b.Gate.Hold(ctx, id, lines, ttl); return err }
	}
	apply := func(items ...inventory.Apply) func(context.Context) error {
		return func(ctx context.Context) error { return b.Gate.Apply(ctx, items) }
	}
	for name, call := range map[string]func(context.Context) error{
		"hold of nothing":         hold("2", time.Minute),
		"hold of too much":        hold("2", time.Minute, lines...),
		"hold of 0":               hold("2", time.Minute, line("7", 0)),
		"hold of −1":              hold("2", time.Minute, line("7", -1)),
		"hold of a billion and 1": hold("2", time.Minute, line("7", 1_000_000_001)),
		"hold for no time":        hold("2", time.Microsecond, line("7", 1)),
		"hold for two days":       hold("2", 48*time.Hour, line("7", 1)),
		"hold without an order":   hold("", time.Minute, line("7", 1)),
		"hold of a long order":    hold(long, time.Minute, line("7", 1)),
		"hold of a strange one":   hold("a}b", time.Minute, line("7", 1)),
		"hold of no product":      hold("2", time.Minute, line("", 1)),
		"unhold nobody":           func(ctx context.Context) error { return b.Gate.Unhold(ctx, "") },
		"extend nobody":           func(ctx context.Context) error { return b.Gate.Extend(ctx, "", time.Minute) },
		"extend by nothing":       func(ctx context.Context) error { return b.Gate.Extend(ctx, "1", 0) },
		"apply nothing":           apply(),
		"apply less than nothing": apply(stock("7", -1, 9)),
		"apply no version":        apply(stock("7", 1, -1)),
		"apply a strange product": apply(stock("7 7", 1, 9)),
		"apply a strange order":   apply(stock("7", 1, 9, "")),
		"replace no version":      apply(replacement),
		"apply one good, one bad": apply(stock("7", 1, 9), stock("8", -1, 9)),
		"due without a limit":     func(ctx context.Context) error { _, err := b.Gate.Due(ctx, 0); return err },
		"due of too many":         func(ctx context.Context) error { _, err := b.Gate.Due(ctx, 1001); return err },
		"held without a limit": func(ctx context.Context) error {
			_, _,
				err := b.Gate.HeldProducts(ctx, "", 0)
			return err
		},
		"held after a strange id": func(ctx context.Context) error {
			_, _,
				err := b.Gate.HeldProducts(ctx, "7 7", 9)
			return err
		},
		"inspect too many":      func(ctx context.Context) error { _, err := b.Gate.Inspect(ctx, many(1000)); return err },
		"inspect a strange one": func(ctx context.Context) error { _, err := b.Gate.Inspect(ctx, strange); return err },
		"lock a strange key":    func(ctx context.Context) error { _, err := b.Gate.Lock(ctx, "a b", ttl); return err },
		"lock for no time":      func(ctx context.Context) error { _, err := b.Gate.Lock(ctx, "a", 0); return err },
	} {
		if err := call(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	b.is(t, "7", "5/1 1:1")
	b.is(t, "8", "absent")
}
