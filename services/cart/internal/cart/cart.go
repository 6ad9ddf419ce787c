// Package cart is the domain of carts: what a shopper wants to buy, and what orders have taken out of it.
package cart

import (
	"fmt"
	"slices"

	"daprmall.dev/services/kit/problem"
)

// Bounds of a cart.
const (
	MaxQuantity = 999
	MaxLines    = 100
	// maxApplied bounds the remembered effects; the inbox and the idempotency keys keep out older repetitions.
	maxApplied = 200
)

// Line is a quantity of a product. Name is kept so that a product that is no longer sold can still be named, Price so
// that a shopper sees that it has changed; nil: not known.
type Line struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
	Name      string `json:"name"`
	Price     *int64 `json:"price,omitempty"` // nil: not known
}

// Cart is a shopper's cart, one document in the state store. It remembers which effects (orders, keyed requests) were
// applied to it, under the same ETag as its lines: none is applied twice.
type Cart struct {
	Lines   []Line   `json:"lines"`
	Applied []string `json:"applied"`
}

// productIDs are the products in the cart.
func (c *Cart) productIDs() []string {
	ids := make([]string, len(c.Lines))
	for i, l := range c.Lines {
		ids[i] = l.ProductID
	}
	return ids
}

func (c *Cart) find(productID string) int {
	return slices.IndexFunc(c.Lines, func(l Line) bool { return l.ProductID == productID })
}

// ApplyOnce runs change unless the effect was applied before.
func (c *Cart) ApplyOnce(effect string, change func() error) error {
	if effect != "" && slices.Contains(c.Applied, effect) {
		return nil
	}
	if err := change(); err != nil {
		return err
	}
	if effect != "" {
		c.Applied = append(c.Applied, effect)
		if extra := len(c.Applied) - maxApplied; extra > 0 {
			c.Applied = slices.Clone(c.Applied[extra:])
		}
	}
	return nil
}

// CheckQuantity refuses a quantity below lo or above MaxQuantity.
func CheckQuantity(n, lo int64) error {
	if n < lo || n > MaxQuantity {
		return problem.Validation(problem.Field{Field: "quantity", Message: "must be a whole number up to 999"})
	}
	return nil
}

// Add adds to a line or makes one.
func (c *Cart) Add(p Product, quantity int64) error {
	if err := CheckQuantity(quantity, 1); err != nil {
		return err
	}
	if i := c.find(p.ID); i >= 0 {
		if c.Lines[i].Quantity+quantity > MaxQuantity {
			return problem.Validation(problem.Field{Field: "quantity", Message: fmt.Sprintf(
				"would be too many: a cart holds 999 of a product, and there are %d", c.Lines[i].Quantity)})
		}
		c.Lines[i].Quantity, c.Lines[i].Price = c.Lines[i].Quantity+quantity, &p.Price
		return nil
	}
	if len(c.Lines) >= MaxLines {
		return problem.Validation(problem.Field{Field: "product_id", Message: "would be the 101st product; a cart holds 100"})
	}
	c.Lines = append(c.Lines, Line{ProductID: p.ID, Quantity: quantity, Name: p.Name, Price: &p.Price})
	return nil
}

// Set changes the quantity of a line; 0 removes it.
func (c *Cart) Set(p Product, quantity int64) error {
	if err := CheckQuantity(quantity, 0); err != nil {
		return err
	}
	i := c.find(p.ID)
	switch {
	case quantity == 0 && i < 0:
		return nil
	case quantity == 0:
		c.Lines = slices.Delete(c.Lines, i, i+1)
		return nil
	case i < 0:
		return c.Add(p, quantity)
	}
	c.Lines[i].Quantity, c.Lines[i].Price = quantity, &p.Price
	return nil
}

// Take removes what an order bought; what the shopper added since stays.
func (c *Cart) Take(lines []Line) {
	for _, l := range lines {
		i := c.find(l.ProductID)
		if i < 0 {
			continue
		}
		if c.Lines[i].Quantity -= l.Quantity; c.Lines[i].Quantity <= 0 {
			c.Lines = slices.Delete(c.Lines, i, i+1)
		}
	}
}

// Clear empties the cart but keeps the effects that were applied to it.
func (c *Cart) Clear() { c.Lines = nil }
