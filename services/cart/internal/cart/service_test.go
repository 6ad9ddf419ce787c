package cart

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"daprmall.dev/services/kit/problem"
)

// shelf is a catalogue that counts the questions.
type shelf struct {
	sold  map[string]Product
	asked [][]string
}

func (s *shelf) Products(_ context.Context, ids []string) (map[string]Product, error) {
	s.asked = append(s.asked, slices.Clone(ids))
	found := map[string]Product{}
	for _, id := range ids {
		if p, ok := s.sold[id]; ok {
			found[id] = p
		}
	}
	return found, nil
}

// memory keeps one cart. before is called before a change is stored: what it changes is stored first.
type memory struct {
	cart   Cart
	before func(c *Cart)
}

func (m *memory) Load(context.Context, string) (Cart, error) { return m.cart, nil }

func (m *memory) Change(_ context.Context, _ string, change func(c *Cart) error) (Cart, error) {
	for {
		c := m.cart
		c.Lines = slices.Clone(c.Lines)
		if err := change(&c); err != nil {
			return c, err
		}
		if m.before == nil {
			m.cart = c
			return c, nil
		}
		m.before(&m.cart)
		m.before = nil
	}
}

// A change asks the catalogue once, about its product and all others in the cart, and again only about what another
// change has added meanwhile.
func TestAChangeAsksTheCatalogueOnce(t *testing.T) {
	tea := Product{ID: "1", Name: "tea", Price: 300, Currency: "CNY", Available: 9}
	cup := Product{ID: "2", Name: "cup", Price: 500, Currency: "CNY", Available: 9}
	for name, c := range map[string]struct {
		lines  []Line
		before func(c *Cart)
		asked  string
		total  int64
	}{
		"an empty cart": {nil, nil, "[[1]]", 600},
		"a cart with others": {[]Line{{ProductID: "2", Quantity: 1}, {ProductID: "gone", Quantity: 1}}, nil,
			"[[2 gone 1]]", 1100},
		"the product, again": {[]Line{{ProductID: "1", Quantity: 1}}, nil, "[[1]]", 900},
		"a change in between": {nil, func(c *Cart) { c.Lines = append(c.Lines, Line{ProductID: "2", Quantity: 2}) },
			"[[1] [2]]", 1600},
		"a removal in between": {[]Line{{ProductID: "2", Quantity: 1}}, func(c *Cart) { c.Lines = nil }, "[[2 1]]", 600},
	} {
		catalogue := &shelf{sold: map[string]Product{"1": tea, "2": cup}}
		s := NewService(&memory{Cart{Lines: c.lines}, c.before}, catalogue, nil, func() string { return "CNY" })
		v, err := s.Add(t.Context(), "7", "1", 2, "")
		if got := fmt.Sprint(catalogue.asked); err != nil || got != c.asked || v.Total != c.total {
			t.Errorf("%s: asked %s, total %d, %v; want %s, %d", name, got, v.Total, err, c.asked, c.total)
		}
	}
	catalogue, kept := &shelf{}, &memory{}
	s := NewService(kept, catalogue, nil, func() string { return "CNY" })
	if _, err := s.Set(t.Context(), "7", "3", 2); problem.KindOf(err) != problem.NotFound || len(kept.cart.Lines) > 0 {
		t.Errorf("a product that is not on sale: %v, the cart has %d lines", err, len(kept.cart.Lines))
	}
}
