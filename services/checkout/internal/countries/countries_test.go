package countries

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/problem"
)

func TestCountriesAreThoseOfISO3166(t *testing.T) {
	for _, code := range strings.Fields("CN TW HK US GB DE FR JP KR IN ZA BR AQ") {
		if _, ok := Find(code); !ok {
			t.Errorf("%s is refused", code)
		}
	}
	for _, code := range []string{"", "C", "CHN", "cn", "UK", "DD", "EU", "XX", "ZZ", "QO", "ÄÖ", "15"} {
		if _, ok := Find(code); ok {
			t.Errorf("%q is accepted", code)
		}
	}
}

// Every line of the file can be used, and its example is a valid postal code.
func TestRulesAreWhole(t *testing.T) {
	for code, c := range countries {
		for _, f := range c.Fields {
			if f.Name == "" || f.Label == "" {
				t.Errorf("%s: %+v", code, f)
			}
			if f.Pattern != "" && !regexp.MustCompile(f.Pattern).MatchString(f.Example) {
				t.Errorf("%s: %s does not match %s", code, f.Example, f.Pattern)
			}
			if f.Example != "" && !c.PostalCode.MatchString(f.Example) {
				t.Errorf("%s: %s is refused", code, f.Example)
			}
		}
	}
}

// Lines are city, state, postal code; want are the fields at fault.
func TestAddressesByCountry(t *testing.T) {
	for _, c := range []struct{ country, city, state, code, want string }{
		{"SG", "", "", "546080", ""},
		{"SG", "", "", "", "postal_code"},
		{"HK", "", "Kowloon", "", ""},
		{"HK", "", "", "", "state"},
		{"MO", "", "", "", ""},
		{"MC", "", "", "98000", ""},
		{"MC", "", "", "MC-98000", ""},
		{"VA", "", "", "00120", ""},
		{"AE", "", "Dubai", "", ""},
		{"GI", "", "", "GX11 1AA", ""},
		{"NR", "", "Yaren", "", ""},
		{"JP", "", "東京都", "154-0023", ""},
		{"JP", "", "東京都", "1540023", ""},
		{"IE", "Dublin", "", "", ""},
		{"IE", "Dublin", "", "A65 F4E2", ""},
		{"PA", "Panama", "", "", ""},
		{"US", "Boston", "", "02101", "state"},
		{"US", "Boston", "MA", "", "postal_code"},
		{"US", "Boston", "MA", "???", "postal_code"},
		{"US", "Boston", "MA", "02101-1234", ""},
		{"US", "", "MA", "02101", "city"},
		{"CN", "上海", "上海", "200120", ""},
		{"CN", "上海", "", "200120", "state"},
		{"CN", "上海", "上海", "2001", "postal_code"},
		{"GB", "London", "", "sw1a 1aa", ""},
		{"GB", "London", "", "12345", "postal_code"},
		{"DE", "Berlin", "", "10115", ""},
		{"DE", "Berlin", "", "1011", "postal_code"},
		{"LU", "Luxembourg", "", "L-1009", ""},
		{"BR", "São Paulo", "SP", "01310-100", ""},
		{"BR", "São Paulo", "", "01310-100", "state"},
		{"AU", "Sydney", "NSW", "2000", ""},
		{"AR", "", "", "", "city"},
		{"BS", "Nassau", "", "???", "postal_code"},
		{"XX", "Berlin", "", "10115", "country"},
	} {
		p := checkout.PostalAddress{Recipient: "Wei", Street: "1 Road", City: c.city, State: c.state, PostalCode: c.code,
			Country: c.country}
		var fields []string
		var fault *problem.Error
		if errors.As(p.Check(Find), &fault) {
			for _, f := range fault.Fields {
				fields = append(fields, f.Field)
			}
		}
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%+v: faults in %q, want %q", c, got, c.want)
		}
	}
}

func TestFieldsHaveTheirNames(t *testing.T) {
	c, _ := Find("JP")
	var got []string
	for _, f := range c.Fields {
		got = append(got, f.Name+":"+f.Label)
	}
	if s := strings.Join(got, " "); s != "postal_code:postal_code state:prefecture street:street" {
		t.Errorf("Japan has %s", s)
	}
}
