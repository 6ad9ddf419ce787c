package product

import (
	"context"
	"time"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
)

// Catalogue is what shoppers read and sellers keep.
type Catalogue struct {
	store    Store
	holds    *Holds
	currency func() string
	now      func() time.Time
}

// NewCatalogue makes the use cases of the catalogue; currency is the mall's present one.
func NewCatalogue(store Store, holds *Holds, currency func() string, now func() time.Time) *Catalogue {
	return &Catalogue{store: store, holds: holds, currency: currency, now: now}
}

// Search lists products for sale.
func (c *Catalogue) Search(ctx context.Context, q Query) (Page, error) {
	q, err := q.Normal()
	if err != nil {
		return Page{}, err
	}
	return c.store.Search(ctx, q)
}

// Get gives one product that is for sale.
func (c *Catalogue) Get(ctx context.Context, id string) (View, error) {
	return c.store.Get(ctx, id)
}

// Views gives those of the products that exist, removed ones included.
func (c *Catalogue) Views(ctx context.Context, ids []string) ([]View, error) {
	return c.store.Views(ctx, ids)
}

// Create offers a product under an id that was chosen before: a second run with
// the same id finds what the first one made.
func (c *Catalogue) Create(ctx context.Context, id string, by Actor, d CreateParams) (View, error) {
	p, err := New(id, by, d, c.currency(), c.now())
	if err != nil {
		return View{}, err
	}
	_, first, err := Open(id, d.Stock, by)
	if err != nil {
		return View{}, err
	}
	return c.store.Create(ctx, p, first)
}

// Change alters a product that is still at the version the caller read.
func (c *Catalogue) Change(ctx context.Context, id string, by Actor, version int64, ch Change) (View, error) {
	return c.store.Change(ctx, id, func(p *Product) error { return p.Change(by, version, ch, c.now()) })
}

// Remove takes a product off the shelves.
func (c *Catalogue) Remove(ctx context.Context, id string, by Actor) error {
	_, err := c.store.Change(ctx, id, func(p *Product) error { return p.Remove(by, c.now()) })
	return err
}

// Adjust puts stock in or takes it out. What is taken out is held in the gate
// first, like a sale: otherwise buyers who hold it already would find it gone.
func (c *Catalogue) Adjust(ctx context.Context, a Adjustment) (Stock, error) {
	if err := checkAdjustment(a); err != nil {
		return Stock{}, err
	}
	v, err := c.store.Get(ctx, a.ProductID)
	if err != nil {
		return Stock{}, err
	}
	if err := Restore(v.Attributes).mayTouch(a.By); err != nil {
		return Stock{}, err
	}
	decide := func(s *Stock) (Entry, error) { return s.Adjust(a) }
	if a.Delta > 0 {
		return c.store.Adjust(ctx, a, decide)
	}
	if err := c.holds.take(ctx, a); err != nil {
		return Stock{}, err
	}
	s, err := c.store.Adjust(ctx, a, decide)
	if refused(err) {
		// Nothing was taken out for certain, so the hold has no purpose. After any
		// other failure it stays until its time is over: the commit may have happened.
		c.holds.drop(ctx, a.HoldID())
	}
	return s, err
}

func checkAdjustment(a Adjustment) error {
	var bad []problem.Field
	if a.Delta == 0 || a.Delta > MaxQuantity || a.Delta < -MaxQuantity {
		bad = append(bad, problem.Field{Field: "delta", Message: "must be a whole number, not 0, of at most 1000000000"})
	}
	if n := utf8.RuneCountInString(a.Reason); n < 1 || n > 200 {
		bad = append(bad, problem.Field{Field: "reason", Message: "must have 1 to 200 characters"})
	}
	if len(bad) > 0 {
		return problem.Validation(bad...)
	}
	return nil
}

// refused tells an answer from a failure.
func refused(err error) bool {
	switch problem.KindOf(err) {
	case "", problem.Internal, problem.Unavailable, problem.Timeout:
		return false
	}
	return true
}
