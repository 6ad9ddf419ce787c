package cart

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"daprmall.dev/services/kit/problem"
)

func TestQuantitiesStayWithinBounds(t *testing.T) {
	for _, tt := range []struct {
		have, add int64
		want      problem.Kind
	}{{0, 1, ""}, {0, 999, ""}, {998, 1, ""}, {0, 0, problem.Invalid}, {0, -1, problem.Invalid},
		{0, 1000, problem.Invalid}, {999, 1, problem.Invalid}, {1, 9223372036854775807, problem.Invalid}} {
		c := Cart{}
		if tt.have > 0 {
			c.Lines = []Line{{ProductID: "1", Quantity: tt.have}}
		}
		if err := c.Add("1", "tea", tt.add); problem.KindOf(err) != tt.want {
			t.Errorf("%d + %d: %v, want kind %q", tt.have, tt.add, err, tt.want)
		}
	}
}

func TestCartHoldsAHundredProducts(t *testing.T) {
	c := Cart{}
	for i := range MaxLines {
		if err := c.Add(fmt.Sprint(i+1), "x", 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Add("1000", "x", 1); problem.KindOf(err) != problem.Invalid {
		t.Errorf("101st product: %v, want invalid", err)
	}
	if err := c.Add("5", "x", 1); err != nil {
		t.Errorf("more of a product it has: %v", err)
	}
}

// Adds, orders and repeats may come in any order: every add counts once, every order is removed once, and no quantity
// is negative.
func TestAddsAndOrdersTakeEffectOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Cart{}
		seen := map[string]bool{}
		want := map[string]int64{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			effect := fmt.Sprint(rapid.IntRange(1, 12).Draw(t, "effect"))
			product := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "product"))
			n := int64(rapid.IntRange(1, 5).Draw(t, "n"))
			take := rapid.Bool().Draw(t, "take")
			err := c.ApplyOnce(effect, func() error {
				if take {
					c.Take([]Line{{ProductID: product, Quantity: n}})
					return nil
				}
				return c.Add(product, "x", n)
			})
			if err != nil {
				t.Fatal(err)
			}
			if !seen[effect] {
				seen[effect] = true
				if take {
					want[product] = max(0, want[product]-n)
				} else {
					want[product] += n
				}
			}
		}
		for p, n := range want {
			got := int64(0)
			if i := c.find(p); i >= 0 {
				got = c.Lines[i].Quantity
			}
			if got != n {
				t.Fatalf("product %s: %d in the cart, want %d", p, got, n)
			}
		}
	})
}
