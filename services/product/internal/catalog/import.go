package catalog

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
	"daprmall.dev/services/product/internal/inventory"
)

// Import is a seller's file of products on its way into the catalogue.
type Import struct {
	ID, SellerID string
	Format       string // what the file is: shopify, woocommerce, jsonl
	DryRun       bool   // only the report is made
	Currency     string // of its prices
	Ignored      []string
	Totals       ImportTotals
	CreatedAt    time.Time
	FinishedAt   time.Time // zero while it is running
}

// ImportTotals counts the rows of an import, all and by their outcome.
type ImportTotals struct{ Rows, Created, Updated, Unchanged, Refused int }

// Outcome is what became of a row, or of a dry run would have become.
type Outcome string

// The outcomes. A row is Pending until it has one.
const (
	Pending   Outcome = "pending"
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
	Refused   Outcome = "refused"
)

// ImportRow is a product of a seller's file.
type ImportRow struct {
	Line     int // where it begins, from 1
	SKU      string
	Params   ImportParams
	Outcome  Outcome
	Problems []problem.Field // why it is refused
	// ProductID is the product that the row is about, "" if there is none.
	ProductID string
}

// ImportParams is what a row says of its product; what it does not say stays as it is. The store keeps it as JSON.
type ImportParams struct {
	Change
	Stock *int64 // of a new product; that of one that exists stays
	// TrackNew says whether the stock of a new product is tracked, nil: yes.
	TrackNew *bool
}

// checkSKU refuses a row that cannot be told from others: without a sku, or with that of an earlier row.
func (r *ImportRow) checkSKU(seen map[string]int) {
	r.SKU = strings.TrimSpace(r.SKU)
	bad := skuRule.Check("sku", r.SKU)
	earlier, again := seen[r.SKU]
	switch {
	case len(bad) > 0:
		r.SKU = "" // a report shows no text that breaks the rules
	case r.SKU == "" && len(r.Problems) == 0:
		const message = "must not be empty: without it a second import would make a second product"
		bad = []problem.Field{{Field: "sku", Message: message}}
	case r.SKU != "" && again:
		bad = []problem.Field{{Field: "sku", Message: "is that of line " + strconv.Itoa(earlier) + " too"}}
	case r.SKU != "":
		seen[r.SKU] = r.Line
	}
	r.refuse(bad...)
}

// checkLengths refuses a row with a text that is longer than that of a product may be. Other rules wait until it is
// known whether the product exists.
func (r *ImportRow) checkLengths(imp Import) {
	c := &r.Params.Change
	if c.Name != nil {
		c.Name = new(strings.TrimSpace(*c.Name))
	}
	if c.Category != nil {
		c.Category = new(categoryPath(*c.Category))
	}
	if !c.overlong() {
		return
	}
	_, err := Restore(Attributes{Name: "-", Price: money.Of(0, imp.Currency)}).apply(*c, imp.CreatedAt)
	r.refuse(fieldsOf(err)...)
}

// overlong reports whether a text is longer than its rule allows.
func (c Change) overlong() bool {
	over := func(text string, rule text.Rule) bool { return utf8.RuneCountInString(text) > rule.Most }
	return over(value(c.Name), nameRule) || over(value(c.Description), descriptionRule) ||
		over(value(c.Category), categoryRule) || over(value(c.ImageURL), imageRule) || over(c.PriceText, priceRule) ||
		slices.ContainsFunc(value(c.Pictures), func(p Picture) bool { return over(p.URL, imageRule) || over(p.Alt, altRule) })
}

// maxProblems and maxField bound what a report says of one row: files name fields as they like.
const (
	maxProblems = 20
	maxField    = 100
)

// refuse adds problems, and says that the row is refused if it has any.
func (r *ImportRow) refuse(bad ...problem.Field) {
	all := append(r.Problems, bad...)
	if len(all) == 0 {
		return
	}
	r.Outcome, r.Params, r.Problems = Refused, ImportParams{}, nil
	for _, p := range all[:min(len(all), maxProblems)] {
		if name := []rune(p.Field); len(name) > maxField {
			p.Field = string(name[:maxField])
		}
		r.Problems = append(r.Problems, p)
	}
}

// Decide sets the outcome of a row, given the seller's product with its sku (nil: there is none), which it changes, or
// makes with this id. It returns the product that is to be stored, nil for none.
func (r *ImportRow) Decide(found *Product, id string, imp Import, at time.Time) *Product {
	by := Actor{UserID: imp.SellerID, Seller: true}
	c := r.Params.Change
	c.SKU = &r.SKU
	if found != nil {
		r.ProductID = found.attributes.ID
		changed, err := found.Replace(by, c, at)
		switch {
		case err != nil:
			r.refuse(fieldsOf(err)...)
		case changed:
			r.Outcome = Updated
			return found
		default:
			r.Outcome = Unchanged
		}
		return nil
	}
	p, err := New(id, by, r.Params.create(r.SKU), imp.Currency, at)
	var bad []problem.Field
	if c.Name == nil {
		bad = append(bad, problem.Field{Field: "name", Message: "is required"})
	}
	if c.Price == nil && c.PriceText == "" {
		bad = append(bad, problem.Field{Field: "price", Message: "is required"})
	}
	for _, f := range fieldsOf(err) { // one complaint about each field
		if !slices.ContainsFunc(bad, func(b problem.Field) bool { return b.Field == f.Field }) {
			bad = append(bad, f)
		}
	}
	if len(bad) > 0 {
		r.refuse(bad...)
		return nil
	}
	r.Outcome, r.ProductID = Created, id
	return p
}

// FirstStock is the first entry of the ledger of a new product.
func (r *ImportRow) FirstStock(seller string) (inventory.Entry, error) {
	_, first, err := inventory.OpenLedger(r.ProductID, value(r.Params.Stock), seller)
	return first, err
}

// create is a new product with what the row says.
func (p ImportParams) create(sku string) CreateParams {
	d := CreateParams{SKU: sku, Name: value(p.Name), Description: value(p.Description), Category: value(p.Category),
		ImageURL: value(p.ImageURL), Pictures: p.Pictures, Price: value(p.Price), PriceText: p.PriceText,
		Stock: value(p.Stock), Tracked: cmp.Or(p.Tracked, p.TrackNew)}
	if p.MaxPerOrder != nil {
		d.MaxPerOrder = p.MaxPerOrder.Units
	}
	return d
}

func value[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

// fieldsOf are the problems that an error names.
func fieldsOf(err error) []problem.Field {
	var p *problem.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p) && len(p.Fields) > 0:
		return p.Fields
	case errors.As(err, &p):
		return []problem.Field{{Message: p.Detail}}
	}
	return []problem.Field{{Message: "could not be read"}}
}
