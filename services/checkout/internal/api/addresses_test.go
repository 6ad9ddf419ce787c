package api

import (
	"strings"
	"testing"

	"daprmall.dev/services/checkout/internal/checkout"
)

func TestCountriesAreThoseOfISO3166(t *testing.T) {
	for _, code := range strings.Fields("CN TW HK US GB DE FR JP KR IN ZA BR AQ") {
		if !isCountry(code) {
			t.Errorf("%s is refused", code)
		}
	}
	for _, code := range []string{"", "C", "CHN", "cn", "UK", "DD", "EU", "XX", "ZZ", "QO", "ÄÖ", "15"} {
		if isCountry(code) {
			t.Errorf("%q is accepted", code)
		}
	}
}

// Required fields must not be blank.
func TestAddressesAreValidated(t *testing.T) {
	good := checkout.PostalAddress{Recipient: "陈薇", Street: "1 Century Avenue", City: "上海", Country: "CN"}
	if err := good.Check(isCountry); err != nil {
		t.Errorf("an address without state and postal code: %v", err)
	}
	for what, change := range map[string]func(p *checkout.PostalAddress){
		"no recipient":       func(p *checkout.PostalAddress) { p.Recipient = "" },
		"a blank recipient":  func(p *checkout.PostalAddress) { p.Recipient = " \t\u3000" },
		"a blank street":     func(p *checkout.PostalAddress) { p.Street = "  " },
		"a blank city":       func(p *checkout.PostalAddress) { p.City = "\n" },
		"too long a street":  func(p *checkout.PostalAddress) { p.Street = strings.Repeat("街", 201) },
		"too long a phone":   func(p *checkout.PostalAddress) { p.Phone = strings.Repeat("1", 33) },
		"an unknown country": func(p *checkout.PostalAddress) { p.Country = "XX" },
	} {
		p := good
		if change(&p); p.Check(isCountry) == nil {
			t.Errorf("%s is accepted: %+v", what, p)
		}
	}
}
