// Package catalog is the domain of products: their attributes, who may change them, and how shoppers find them. Stock
// is the business of package inventory, which does not import this one.
package catalog

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
	"daprmall.dev/services/product/internal/inventory"
)

// Attributes are a product's public attributes.
type Attributes struct {
	ID          string
	SellerID    string
	SKU         string // the seller's own number, "" for none; no other product of the seller has it
	Name        string
	Description string
	Category    string
	Pictures    []Picture // the first is the main one
	Price       money.Money
	Untracked   bool  // its stock is not tracked: it is never sold out
	MaxPerOrder int64 // the most units that one order may have; 0: no maximum
	Version     int64 // of the catalogue entry; stock has its own
	Deleted     bool
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// View is a product with its available quantity.
type View struct {
	Attributes
	Available int64
	Closed    bool // its seller may not sell at present
}

// OnSale reports whether shoppers can buy the product.
func (v View) OnSale() bool { return !v.Deleted && !v.Closed }

// Offer is what a cart and a hold need to know of a product.
type Offer struct {
	ID          string
	SellerID    string
	Name        string
	Price       money.Money
	MaxPerOrder int64 // the most units that one order may have; 0: no maximum
	Untracked   bool  // never sold out
	OnSale      bool
	Available   int64
	ImageURL    string // of the main picture, "" for none
}

// Actor is the user who asks for a change.
type Actor struct {
	UserID string
	Admin  bool
	Seller bool
}

// Product is one sellable unit.
type Product struct{ attributes Attributes }

// Restore makes a product from its stored attributes.
func Restore(f Attributes) *Product { return &Product{attributes: f} }

// Attributes tells what the product is now.
func (p *Product) Attributes() Attributes { return p.attributes }

// CreateParams is a seller's input for a new product.
type CreateParams struct {
	SKU         string
	Name        string
	Description string
	Category    string
	ImageURL    string     // the main picture, "" for none, or that of Pictures
	Pictures    *[]Picture // nil: ImageURL alone
	Price       int64      // in minor units
	PriceText   string     // or as a decimal text: "9.99"
	MaxPerOrder *int64     // nil: no maximum
	Tracked     *bool      // nil: as it was, or tracked
	Stock       int64
}

// image is the address of the main picture, nil if only Pictures say it.
func (d CreateParams) image() *string {
	if d.ImageURL == "" && d.Pictures != nil {
		return nil
	}
	return &d.ImageURL
}

// Limits of a seller's input; openapi.yaml has the same.
const (
	maxPrice    = 99_999_999_999
	maxPerOrder = 999 // as many as a cart takes
)

// New makes a product of this seller, or returns what is wrong field by field.
func New(id string, by Actor, d CreateParams, currency string, at time.Time) (*Product, error) {
	if !by.Seller && !by.Admin {
		return nil, problem.New(problem.Forbidden, "", "Only sellers offer products.")
	}
	p := &Product{attributes: Attributes{
		ID: id, SellerID: by.UserID, SKU: strings.TrimSpace(d.SKU), Name: strings.TrimSpace(d.Name),
		Description: d.Description, Category: categoryPath(d.Category),
		Price: money.Of(d.Price, currency), Untracked: d.Tracked != nil && !*d.Tracked, Version: 1,
		CreatedAt: at, UpdatedAt: at,
	}}
	bad := slices.Concat(p.setPictures(d.image(), d.Pictures), p.readPrice(d.PriceText), p.setMaxPerOrder(d.MaxPerOrder),
		p.check())
	if d.Stock < 0 || d.Stock > inventory.MaxQuantity {
		bad = append(bad, problem.Field{Field: "stock", Message: "must be 0 to 1000000000"})
	}
	if len(bad) > 0 {
		return nil, problem.Validation(bad...)
	}
	return p, nil
}

// Change is a requested change; nil leaves a field as it is.
type Change struct {
	SKU         *string // "" for none
	Name        *string
	Description *string
	Category    *string
	ImageURL    *string // the main picture alone; the others stay, or "" removes all
	Pictures    *[]Picture
	Price       *int64
	PriceText   string // or as a decimal text, "" for none
	MaxPerOrder *Maximum
	Tracked     *bool
}

// Maximum is a new maximum per order, nil for none.
type Maximum struct{ Units *int64 }

func (c Change) empty() bool { return c == Change{} }

// Change changes the product if it still has the version that the caller read. Another seller's product looks like a
// missing one.
func (p *Product) Change(by Actor, version int64, c Change, at time.Time) error {
	if err := p.mayTouch(by); err != nil {
		return err
	}
	if version != p.attributes.Version {
		return stale(p.attributes.Version)
	}
	if c.empty() {
		return problem.Validation(problem.Field{Field: "", Message: "name at least one field to change"})
	}
	_, err := p.apply(c, at)
	return err
}

func stale(version int64) error {
	return problem.New(problem.PreconditionFailed, "",
		"The product changed since it was read: it is at version %d now.", version)
}

// Replace changes the product, of whatever version, and reports whether that made a difference.
func (p *Product) Replace(by Actor, c Change, at time.Time) (changed bool, err error) {
	if err := p.mayTouch(by); err != nil {
		return false, err
	}
	before := *p
	if changed, err = p.apply(c, at); err == nil && !changed {
		*p = before
	}
	return changed, err
}

// apply makes the next version of the product, and reports whether it differs in more than the version.
func (p *Product) apply(c Change, at time.Time) (differs bool, err error) {
	next := *p
	set(&next.attributes.SKU, c.SKU, strings.TrimSpace)
	set(&next.attributes.Name, c.Name, strings.TrimSpace)
	set(&next.attributes.Description, c.Description, nil)
	set(&next.attributes.Category, c.Category, categoryPath)
	if c.Price != nil {
		next.attributes.Price.Amount = *c.Price
	}
	if c.Tracked != nil {
		next.attributes.Untracked = !*c.Tracked
	}
	bad := append(next.setPictures(c.ImageURL, c.Pictures), next.readPrice(c.PriceText)...)
	if c.MaxPerOrder != nil {
		bad = append(bad, next.setMaxPerOrder(c.MaxPerOrder.Units)...)
	}
	if bad = append(bad, next.check()...); len(bad) > 0 {
		return false, problem.Validation(bad...)
	}
	differs = !reflect.DeepEqual(next, *p)
	next.attributes.Version++
	next.attributes.UpdatedAt = at
	*p = next
	return differs, nil
}

func set(dst, src *string, clean func(string) string) {
	if src == nil {
		return
	}
	*dst = *src
	if clean != nil {
		*dst = clean(*src)
	}
}

// Remove ends the sale of the product. Old orders can still read it.
func (p *Product) Remove(by Actor, at time.Time) error {
	if err := p.mayTouch(by); err != nil {
		return err
	}
	p.attributes.Deleted, p.attributes.UpdatedAt = true, at
	p.attributes.Version++
	return nil
}

// mayTouch admits the owning seller and admins.
func (p *Product) mayTouch(by Actor) error {
	if p.attributes.Deleted || (!by.Admin && by.UserID != p.attributes.SellerID) {
		return Missing()
	}
	return nil
}

// Missing refuses a product that does not exist or is not the caller's.
func Missing() error { return problem.NewNotFound("product") }

// readPrice sets the price from a decimal text in the product's currency, if there is one.
func (p *Product) readPrice(text string) []problem.Field {
	if text == "" {
		return nil
	}
	currency := p.attributes.Price.Currency
	amount, err := money.ParseDecimal(text, currency)
	if err != nil || len(priceRule.Check("price", text)) > 0 {
		return []problem.Field{{Field: "price", Message: "must be an amount of " + currency + " like " +
			money.Of(1299, currency).Decimal()}}
	}
	p.attributes.Price.Amount = amount
	return nil
}

// setMaxPerOrder sets the maximum per order; nil removes it.
func (p *Product) setMaxPerOrder(units *int64) []problem.Field {
	switch {
	case units == nil:
		p.attributes.MaxPerOrder = 0
	case *units < 1 || *units > maxPerOrder:
		return []problem.Field{{Field: "max_per_order", Message: "must be 1 to 999"}}
	default:
		p.attributes.MaxPerOrder = *units
	}
	return nil
}

// Texts of a product; openapi.yaml has the same limits.
var (
	skuRule         = text.Rule{Most: 100}
	nameRule        = text.Rule{Required: true, Most: 200}
	descriptionRule = text.Rule{Most: 10_000, Lines: true}
	priceRule       = text.Rule{Most: 40} // of the text: the largest price has 14 characters
)

func (p *Product) check() []problem.Field {
	f := p.attributes
	bad := slices.Concat(skuRule.Check("sku", f.SKU), nameRule.Check("name", f.Name),
		descriptionRule.Check("description", f.Description), checkCategory(f.Category))
	if f.Price.Amount < 0 || f.Price.Amount > maxPrice {
		bad = append(bad, problem.Field{Field: "price", Message: "must be " +
			money.Of(0, f.Price.Currency).Decimal() + " to " + money.Of(maxPrice, f.Price.Currency).Decimal() + " " +
			f.Price.Currency + " (0 to 99999999999 minor units)"})
	}
	return bad
}
