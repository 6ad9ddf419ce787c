package catalog

import (
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
)

// A report is bounded, whatever a file contains.
func TestAReportOfARowIsBounded(t *testing.T) {
	var bad []problem.Field
	for range 1000 {
		bad = append(bad, problem.Field{Field: strings.Repeat("茶", 1000), Message: "is not known"})
	}
	row := ImportRow{Line: 1, SKU: "A", Problems: bad}
	row.checkSKU(map[string]int{})
	if row.Outcome != Refused || len(row.Problems) != maxProblems ||
		row.Problems[0].Field != strings.Repeat("茶", maxField) {
		t.Errorf("%s with %d problems, the first of %.30s…", row.Outcome, len(row.Problems), row.Problems[0].Field)
	}
}

func TestWhatARowDoesToAProduct(t *testing.T) {
	text := func(s string) *string { return &s }
	imp := Import{SellerID: "5", Currency: "CNY"}
	params := CreateParams{SKU: "A", Name: "Teapot", Description: "Holds a litre.", Price: 100}
	old, err := New("1", seller, params, "CNY", noon)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		found   *Product
		params  Change
		outcome Outcome
		fields  string
	}{
		"new":                    {nil, Change{Name: text("Cup"), PriceText: "1.50"}, Created, ""},
		"new without a price":    {nil, Change{Name: text("Cup")}, Refused, "price"},
		"new without a name":     {nil, Change{PriceText: "1"}, Refused, "name"},
		"new and empty":          {nil, Change{}, Refused, "name price"},
		"new with a wrong price": {nil, Change{Name: text("Cup"), PriceText: "1,50"}, Refused, "price"},
		"the same":               {old, Change{Name: text(" Teapot "), PriceText: "1.00"}, Unchanged, ""},
		"nothing said":           {old, Change{}, Unchanged, ""},
		"another price":          {old, Change{PriceText: "2"}, Updated, ""},
		"an empty name":          {old, Change{Name: text("")}, Refused, "name"},
		"a free one":             {old, Change{PriceText: "0"}, Updated, ""},
	} {
		var found *Product
		if c.found != nil {
			copied := *c.found
			found = &copied
		}
		row := ImportRow{Line: 2, SKU: "A", Params: ImportParams{Change: c.params}}
		made := row.Decide(found, "9", imp, noon)
		var fields []string
		for _, p := range row.Problems {
			fields = append(fields, p.Field)
		}
		if row.Outcome != c.outcome || strings.Join(fields, " ") != c.fields ||
			(made != nil) != (c.outcome == Created || c.outcome == Updated) {
			t.Errorf("%s: %s %v, product %+v; want %s %s", what, row.Outcome, row.Problems, made, c.outcome, c.fields)
		}
		if made != nil && found != nil && (made.Attributes().Version != 2 || made.Attributes().Description == "") {
			t.Errorf("%s: %+v", what, made.Attributes())
		}
	}
}
