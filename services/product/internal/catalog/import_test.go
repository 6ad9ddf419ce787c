package catalog

import (
	"io"
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

// A row with a text that no product may have is refused before it is stored, in the words of the rule.
func TestOverlongTextsAreNotStored(t *testing.T) {
	long := func(n int) *string { return new(strings.Repeat("茶", n)) }
	for what, c := range map[string]struct {
		params Change
		want   string
	}{
		"name":        {Change{Name: long(201)}, "name must have at most 200 characters"},
		"description": {Change{Description: long(10_001)}, "description must have at most 10000 characters"},
		"category":    {Change{Category: long(256)}, "category must have at most 255 characters"},
		"image":       {Change{ImageURL: long(2049)}, "image_url must have at most 2048 characters"},
		"price":       {Change{PriceText: strings.Repeat("0", 41)}, "price must be an amount of CNY like 12.99"},
		"picture": {Change{Pictures: &[]Picture{{URL: "/" + *long(2048)}}},
			"pictures.url must have at most 2048 characters"},
		"alternative text": {Change{Pictures: &[]Picture{{URL: "/a.jpg", Alt: *long(251)}}},
			"pictures.alt must have at most 250 characters"},
		"what may be": {Change{Name: long(200), Description: long(10_000), Category: new("a" + strings.Repeat("/", 300)),
			PriceText: "1", Pictures: &[]Picture{{URL: "/a.jpg", Alt: *long(250)}}}, ""},
		"what Decide refuses": {Change{Name: new(""), PriceText: "1,50"}, ""},
	} {
		next := checked(Import{Currency: "CNY"}, func() ([]ImportRow, error) {
			return []ImportRow{{Line: 2, SKU: "A", Params: ImportParams{Change: c.params}}}, io.EOF
		})
		rows, _ := next()
		got := ""
		if r := rows[0]; r.Outcome == Refused {
			got = r.Problems[0].Field + " " + r.Problems[0].Message
			if !r.Params.empty() {
				t.Errorf("%s: it would be stored", what)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}
