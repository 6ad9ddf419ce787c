package api

import (
	"strings"
	"testing"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/countries"
)

// Required fields must not be blank.
func TestAddressesAreValidated(t *testing.T) {
	good := checkout.PostalAddress{Recipient: "陈薇", Street: "1 Century Avenue", City: "上海", State: "上海",
		PostalCode: "200120", Country: "CN"}
	if err := good.Check(countries.Find); err != nil {
		t.Errorf("a good address: %v", err)
	}
	for what, change := range map[string]func(p *checkout.PostalAddress){
		"no recipient":       func(p *checkout.PostalAddress) { p.Recipient = "" },
		"a blank recipient":  func(p *checkout.PostalAddress) { p.Recipient = " \t\u3000" },
		"a blank street":     func(p *checkout.PostalAddress) { p.Street = "  " },
		"a blank city":       func(p *checkout.PostalAddress) { p.City = "\n" },
		"too long a street":  func(p *checkout.PostalAddress) { p.Street = strings.Repeat("街", 201) },
		"too long a phone":   func(p *checkout.PostalAddress) { p.Phone = strings.Repeat("1", 33) },
		"a direction":        func(p *checkout.PostalAddress) { p.City = "\u202eiahgnahS" },
		"two lines":          func(p *checkout.PostalAddress) { p.Street = "1 Road\nApt 2" },
		"nothing visible":    func(p *checkout.PostalAddress) { p.Recipient = "\u200b" },
		"an unknown country": func(p *checkout.PostalAddress) { p.Country = "XX" },
	} {
		p := good
		if change(&p); p.Trim().Check(countries.Find) == nil {
			t.Errorf("%s is accepted: %+v", what, p)
		}
	}
}
