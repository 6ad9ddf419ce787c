// Package checkout is the domain of buying: addresses, quotes, and placing orders. What a checkout needs is committed
// before anything is held; a retry, also after a crash, continues with the same order id.
package checkout

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
)

// Address is one of a shopper's addresses; an order keeps a copy of its PostalAddress.
type Address struct {
	ID            string
	UserID        string
	PostalAddress PostalAddress
}

// PostalAddress is where an order is sent.
type PostalAddress struct {
	Recipient  string `json:"recipient"`
	Phone      string `json:"phone,omitempty"`
	Street     string `json:"street"`
	City       string `json:"city"`
	State      string `json:"state"`
	Country    string `json:"country"` // ISO 3166-1 alpha-2
	PostalCode string `json:"postal_code"`
}

// Country says what addresses of a country need.
type Country struct {
	Code       string         // ISO 3166-1 alpha-2
	Fields     []AddressField // those an address there has, in the order of the country; recipient and phone besides
	PostalCode *regexp.Regexp // what a postal code may be
}

// AddressField is a field of an address as a form shows it.
type AddressField struct {
	Name     string // street, city, state or postal_code
	Required bool
	Label    string // what it is called there: a state may be a prefecture
	Pattern  string // of a postal code, "" if the country has no rule
	Example  string
}

var (
	recipientRule = text.Rule{Required: true, Most: 100}
	phoneRule     = text.Rule{Most: 32}
)

// Trim returns the address without spaces around its lines.
func (p PostalAddress) Trim() PostalAddress {
	for _, line := range []*string{&p.Recipient, &p.Phone, &p.Street, &p.City, &p.State, &p.PostalCode} {
		*line = strings.TrimSpace(*line)
	}
	return p
}

// Check returns what is wrong with an address by the rules of its country.
func (p PostalAddress) Check(find func(code string) (Country, bool)) error {
	bad := slices.Concat(recipientRule.Check("recipient", p.Recipient), phoneRule.Check("phone", p.Phone))
	country, known := find(p.Country)
	if !known {
		bad = append(bad, problem.Field{Field: "country", Message: "is not an ISO 3166-1 alpha-2 code"})
	}
	required := map[string]bool{"street": true}
	for _, f := range country.Fields {
		required[f.Name] = f.Required
	}
	for _, line := range []struct {
		field, value string
		most         int
	}{{"street", p.Street, 200}, {"city", p.City, 100}, {"state", p.State, 100}, {"postal_code", p.PostalCode, 20}} {
		bad = append(bad, text.Rule{Required: required[line.field], Most: line.most}.Check(line.field, line.value)...)
	}
	if known && p.PostalCode != "" && !country.PostalCode.MatchString(p.PostalCode) {
		bad = append(bad, problem.Field{Field: "postal_code", Message: "is not a postal code of " + country.Code +
			country.example()})
	}
	if len(bad) > 0 {
		return problem.Validation(bad...)
	}
	return nil
}

func (c Country) example() string {
	for _, f := range c.Fields {
		if f.Example != "" {
			return "; one is " + f.Example
		}
	}
	return ""
}

// Item asks for a quantity of a product.
type Item struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
	SeenPrice *int64 `json:"seen_price,omitempty"` // what the shopper was shown; nil: not known
}

// Bounds of a checkout. A cart has the same ones, and an order has as many lines.
const (
	MaxItems    = 100
	maxQuantity = 999 // of one product
)

// MergeItems checks items and adds up the quantities of the same product, which keeps the position of its first item.
func MergeItems(items []Item, isID func(string) bool) ([]Item, error) {
	if len(items) == 0 || len(items) > MaxItems {
		return nil, problem.Validation(problem.Field{Field: "items", Message: "must have 1 to 100 lines"})
	}
	at := map[string]int{}
	var out []Item
	for _, it := range items {
		if !isID(it.ProductID) {
			return nil, problem.Validation(problem.Field{Field: "items.product_id", Message: "is not an id"})
		}
		if it.Quantity < 1 || it.Quantity > maxQuantity {
			return nil, problem.Validation(problem.Field{Field: "items.quantity", Message: "must be 1 to 999"})
		}
		i, seen := at[it.ProductID]
		if !seen {
			at[it.ProductID] = len(out)
			out = append(out, it)
			continue
		}
		if out[i].Quantity += it.Quantity; out[i].Quantity > maxQuantity {
			return nil, problem.Validation(problem.Field{Field: "items.quantity", Message: "must be 1 to 999 for a product"})
		}
		if seen := it.SeenPrice; seen != nil && (out[i].SeenPrice == nil || *seen < *out[i].SeenPrice) {
			out[i].SeenPrice = seen
		}
	}
	return out, nil
}

// Record is what a checkout commits before anything is held.
type Record struct {
	OrderID       string
	UserID        string
	Items         []Item
	PostalAddress PostalAddress
	FromCart      bool
	ExpectedTotal *int64
}

// Line is an item with the catalogue's present name and price.
type Line struct {
	ProductID string
	SellerID  string
	Name      string
	Price     int64
	Currency  string
	Quantity  int64
	ImageURL  string // of the main picture, "" for none
	Available int64  // in quotes only
	SeenPrice *int64 // in quotes only

	Untracked   bool  // in quotes only: never sold out
	MaxPerOrder int64 // in quotes only: the most units that one order may have; 0: no maximum
}

// Shipping are the settings of shipping costs.
type Shipping struct {
	Fee      int64
	FreeFrom int64 // the subtotal from which shipping is free; 0: never
}

// Totals is the price of an order.
type Totals struct {
	Subtotal, Shipping, Total int64
	Currency                  string
}

// Price adds up lines; all must have the order's currency.
func (s Shipping) Price(lines []Line, currency string) (Totals, error) {
	sum := money.Of(0, currency)
	for _, l := range lines {
		cost, err := money.Of(l.Price, l.Currency).Times(l.Quantity)
		if err == nil {
			sum, err = sum.Add(cost)
		}
		if errors.Is(err, money.ErrOverflow) {
			return Totals{}, problem.Validation(problem.Field{Field: "items", Message: "cost more than can be counted"})
		}
		if err != nil {
			return Totals{}, err
		}
	}
	t := Totals{Subtotal: sum.Amount, Shipping: s.Fee, Currency: currency}
	if s.FreeFrom > 0 && t.Subtotal >= s.FreeFrom {
		t.Shipping = 0
	}
	total, err := sum.Add(money.Of(t.Shipping, currency))
	if err != nil {
		return Totals{}, problem.Validation(problem.Field{Field: "items", Message: "cost more than can be counted"})
	}
	t.Total = total.Amount
	return t, nil
}
