package catalog

import (
	"context"
	"errors"
	"strings"

	"daprmall.dev/services/kit/problem"
)

// CodeSKUTaken is the code of the refusal of a sku that another product of the seller has.
const CodeSKUTaken = "sku_taken"

// SKUTaken refuses a sku that another product of the seller has.
func SKUTaken(sku, productID string) error {
	return problem.New(problem.Conflict, CodeSKUTaken, "Your product %s has the sku %q.", productID, sku).
		With(problem.Field{Field: "sku", Message: "is that of product " + productID})
}

// GetBySKU returns the caller's own product with a sku, also while it is not on sale.
func (s *Service) GetBySKU(ctx context.Context, by Actor, sku string) (View, error) {
	if len(skuRule.Check("sku", sku)) > 0 {
		return View{}, Missing()
	}
	return s.store.BySKU(ctx, by.UserID, sku)
}

// Put is a seller's request for how the product with a sku shall be.
type Put struct {
	Params  CreateParams
	Version *int64 // that the product must have; nil: any, or that it does not exist
}

// PutBySKU replaces the caller's product with the sku of p.Params, or creates it, and reports whether it did. Of a
// product that exists the stock stays as it is.
func (s *Service) PutBySKU(ctx context.Context, by Actor, p Put) (v View, created bool, err error) {
	p.Params.SKU = strings.TrimSpace(p.Params.SKU)
	if p.Params.SKU == "" {
		return View{}, false, problem.Validation(problem.Field{Field: "sku", Message: "must not be empty"})
	}
	// What the caller sends is refused for the same reasons whether the product exists or not.
	if _, err := New("", by, p.Params, s.currency(), s.now()); err != nil {
		return View{}, false, err
	}
	for range 5 {
		if v, created, err = s.putOnce(ctx, by, p); !errors.Is(err, errMoved) {
			return v, created, err
		}
	}
	return View{}, false, err
}

func (s *Service) putOnce(ctx context.Context, by Actor, p Put) (View, bool, error) {
	found, err := s.store.BySKU(ctx, by.UserID, p.Params.SKU)
	switch {
	case problem.KindOf(err) == problem.NotFound && p.Version != nil:
		return View{}, false, problem.New(problem.PreconditionFailed, "", "There is no product with this sku.")
	case problem.KindOf(err) == problem.NotFound:
		id, err := s.ids.Next()
		if err != nil {
			return View{}, false, err
		}
		v, err := s.Create(ctx, id, by, p.Params)
		if problem.CodeOf(err) == CodeSKUTaken {
			err = errMoved // created at the same moment
		}
		return v, err == nil, err
	case err != nil:
		return View{}, false, err
	}
	v, err := s.store.Change(ctx, found.ID, func(now *Product) error {
		if now.attributes.Deleted || now.attributes.SKU != p.Params.SKU {
			return errMoved
		}
		if p.Version != nil && *p.Version != now.attributes.Version {
			return stale(now.attributes.Version)
		}
		_, err := now.Replace(by, p.Params.change(), s.now())
		return err
	})
	return v, false, err
}

// change is the change to all that the parameters say. Stock is none of it.
func (d CreateParams) change() Change {
	pictures := WithImage(nil, d.ImageURL)
	if d.Pictures != nil {
		pictures = *d.Pictures
	}
	c := Change{SKU: &d.SKU, Name: &d.Name, Description: &d.Description, Category: &d.Category, Pictures: &pictures,
		PriceText: d.PriceText, MaxPerOrder: &Maximum{d.MaxPerOrder},
		Tracked: d.Tracked}
	if d.PriceText == "" {
		c.Price = &d.Price
	}
	return c
}

// errMoved says that another product got the sku, or this one lost it, after it was looked up.
var errMoved = problem.New(problem.Unavailable, "", "The product with this sku is being changed. Try again.")
