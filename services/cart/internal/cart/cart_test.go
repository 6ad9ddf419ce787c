package cart

import (
	"fmt"
	"strings"
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
		if err := c.Add(Product{ID: "1", Name: "tea"}, tt.add); problem.KindOf(err) != tt.want {
			t.Errorf("%d + %d: %v, want kind %q", tt.have, tt.add, err, tt.want)
		}
	}
}

func TestTheCartSaysHowManyItHas(t *testing.T) {
	c := Cart{Lines: []Line{{ProductID: "1", Quantity: 998}}}
	if err := c.Add(Product{ID: "1"}, 2); err == nil || !strings.Contains(fmt.Sprintf("%+v", err), "there are 998") {
		t.Errorf("%+v", err)
	}
}

func TestCartHoldsAHundredProducts(t *testing.T) {
	c := Cart{}
	for i := range MaxLines {
		if err := c.Add(Product{ID: fmt.Sprint(i + 1), Name: "x"}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Add(Product{ID: "1000", Name: "x"}, 1); problem.KindOf(err) != problem.Invalid {
		t.Errorf("101st product: %v, want invalid", err)
	}
	if err := c.Add(Product{ID: "5", Name: "x"}, 1); err != nil {
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
				return c.Add(Product{ID: product, Name: "x"}, n)
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

// A cart says what checkout would say of each line.
func TestLinesSayTheirState(t *testing.T) {
	price := func(n int64) *int64 { return &n }
	for what, c := range map[string]struct {
		line Line
		now  products
		want State
	}{
		"as it was":        {Line{Price: price(100)}, products{"1": {Price: 100, Available: 2}}, Available},
		"price not known":  {Line{}, products{"1": {Price: 100, Available: 2}}, Available},
		"dearer":           {Line{Price: price(100)}, products{"1": {Price: 120, Available: 2}}, PriceChanged},
		"cheaper":          {Line{Price: price(100)}, products{"1": {Price: 80, Available: 2}}, PriceChanged},
		"no longer free":   {Line{Price: price(0)}, products{"1": {Price: 80, Available: 2}}, PriceChanged},
		"dearer and fewer": {Line{Price: price(100)}, products{"1": {Price: 120, Available: 1}}, FewerLeft},
		"too many": {Line{Price: price(100)}, products{"1": {Price: 100, Available: 9, MaxPerOrder: 1}},
			TooMany},
		"sold out": {Line{Price: price(100)}, products{"1": {Price: 100}}, SoldOut},
		"gone":     {Line{Price: price(100), Name: "Gone"}, nil, NotForSale},
	} {
		c.line.ProductID, c.line.Quantity = "1", 2
		v, err := NewService(nil, nil, nil, func() string { return "CNY" }).render(Cart{Lines: []Line{c.line}}, c.now)
		if err != nil || v.Items[0].State != c.want || v.Items[0].SeenPrice != c.line.Price {
			t.Errorf("%s: %+v, %v, want the state %s and the seen price", what, v.Items, err, c.want)
		}
	}
}

// The seen price is that of the last change of the line; it may be 0.
func TestTheSeenPriceFollowsTheShopper(t *testing.T) {
	var c Cart
	for _, step := range []func() error{
		func() error { return c.Add(Product{ID: "1", Price: 100}, 1) },
		func() error { return c.Add(Product{ID: "1", Price: 120}, 1) },
		func() error { return c.Set(Product{ID: "1"}, 5) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if *c.Lines[0].Price != 0 || c.Lines[0].Quantity != 5 {
		t.Errorf("%+v", c.Lines[0])
	}
}
