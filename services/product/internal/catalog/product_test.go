package catalog

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/inventory"
)

var (
	noon   = time.Date(2026, 8, 23, 12, 0, 0, 0, time.UTC)
	seller = Actor{UserID: "5", Seller: true}
	teapot = CreateParams{
		Name:        " Teapot ",
		Description: "Holds a litre.",
		Category:    "kitchen",
		ImageURL:    "/images/teapot.svg",
		Price:       12900,
		Stock:       40,
	}
)

func TestNewProductsAreChecked(t *testing.T) {
	with := func(f func(*CreateParams)) CreateParams { d := teapot; f(&d); return d }
	for name, c := range map[string]struct {
		draft CreateParams
		field string
	}{
		"no name":          {with(func(d *CreateParams) { d.Name = "  " }), "name"},
		"long name":        {with(func(d *CreateParams) { d.Name = strings.Repeat("茶", 201) }), "name"},
		"NUL":              {with(func(d *CreateParams) { d.Description = "a\x00b" }), "description"},
		"script as image":  {with(func(d *CreateParams) { d.ImageURL = "javascript:alert(1)" }), "image_url"},
		"data as image":    {with(func(d *CreateParams) { d.ImageURL = "data:text/html,x" }), "image_url"},
		"foreign path":     {with(func(d *CreateParams) { d.ImageURL = "//evil.example/x" }), "image_url"},
		"foreign slashes":  {with(func(d *CreateParams) { d.ImageURL = "///evil.example/x" }), "image_url"},
		"line in a path":   {with(func(d *CreateParams) { d.ImageURL = "/images/tea\npot.svg" }), "image_url"},
		"invisible name":   {with(func(d *CreateParams) { d.Name = "\u200b" }), "name"},
		"two lines":        {with(func(d *CreateParams) { d.Name = "Tea\npot" }), "name"},
		"turned name":      {with(func(d *CreateParams) { d.Name = "\u202egnp.exe" }), "name"},
		"turned text":      {with(func(d *CreateParams) { d.Description = "\u2066x" }), "description"},
		"a line of groups": {with(func(d *CreateParams) { d.Category = "a\u2028b" }), "category"},
		"price of words":   {with(func(d *CreateParams) { d.PriceText = "cheap" }), "price"},
		"three decimals":   {with(func(d *CreateParams) { d.PriceText = "1.999" }), "price"},
		"negative text":    {with(func(d *CreateParams) { d.PriceText = "-0.01" }), "price"},
		"negative price":   {with(func(d *CreateParams) { d.Price = -1 }), "price"},
		"negative stock":   {with(func(d *CreateParams) { d.Stock = -1 }), "stock"},
		"too much stock":   {with(func(d *CreateParams) { d.Stock = inventory.MaxQuantity + 1 }), "stock"},
		"price too high":   {with(func(d *CreateParams) { d.Price = maxPrice + 1 }), "price"},
		"none per order":   {with(func(d *CreateParams) { d.MaxPerOrder = new(int64) }), "max_per_order"},
		"1000 per order":   {with(func(d *CreateParams) { d.MaxPerOrder = units(1000) }), "max_per_order"},
		"long category":    {with(func(d *CreateParams) { d.Category = strings.Repeat("x", 65) }), "category"},
		"long description": {with(func(d *CreateParams) { d.Description = strings.Repeat("x", 10001) }), "description"},
	} {
		_, err := New("1", seller, c.draft, "CNY", noon)
		if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), c.field+":") {
			t.Errorf("%s: %v, want an error for %s", name, err, c.field)
		}
	}
	p, err := New("1", seller, teapot, "CNY", noon)
	if err != nil || p.Attributes().Name != "Teapot" || p.Attributes().Version != 1 || p.Attributes().SellerID != "5" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := New("1", Actor{UserID: "6"}, teapot, "CNY", noon); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("a customer creates a product: %v, want forbidden", err)
	}
}

func units(n int64) *int64 { return &n }

func TestASellerSetsAndRemovesTheMaximumPerOrder(t *testing.T) {
	draft := teapot
	draft.MaxPerOrder = units(2)
	p, err := New("1", seller, draft, "CNY", noon)
	if err != nil || p.Attributes().MaxPerOrder != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	for version, step := range []struct {
		change Change
		want   int64
	}{{Change{Price: units(5)}, 2}, {Change{MaxPerOrder: &Maximum{units(999)}}, 999}, {Change{MaxPerOrder: &Maximum{}}, 0},
		{Change{MaxPerOrder: &Maximum{}}, 0}} {
		err := p.Change(seller, int64(version+1), step.change, noon)
		if got := p.Attributes().MaxPerOrder; err != nil || got != step.want {
			t.Errorf("change %d: maximum %d, %v; want %d", version, got, err, step.want)
		}
	}
	if err := p.Change(seller, 5, Change{MaxPerOrder: &Maximum{units(0)}}, noon); problem.KindOf(err) != problem.Invalid {
		t.Errorf("0: %v, want invalid", err)
	}
}

func TestOnlyOwnersAndAdminsChangeAProduct(t *testing.T) {
	name := "Kettle"
	for _, c := range []struct {
		who     string
		by      Actor
		version int64
		want    problem.Kind
	}{
		{"owner", seller, 1, ""},
		{"admin", Actor{UserID: "9", Admin: true}, 1, ""},
		{"other seller", Actor{UserID: "6", Seller: true}, 1, problem.NotFound},
		{"owner with an old version", seller, 0, problem.PreconditionFailed},
		{"owner with a future version", seller, 2, problem.PreconditionFailed},
	} {
		p, _ := New("1", seller, teapot, "CNY", noon)
		err := p.Change(c.by, c.version, Change{Name: &name}, noon.Add(time.Hour))
		if problem.KindOf(err) != c.want {
			t.Errorf("%s: %v, want kind %q", c.who, err, c.want)
		}
		f := p.Attributes()
		if changed := f.Name == "Kettle" && f.Version == 2 && f.UpdatedAt.After(f.CreatedAt); changed != (c.want == "") {
			t.Errorf("%s: product is %+v", c.who, f)
		}
	}
}

func TestAnInvalidChangeChangesNothing(t *testing.T) {
	p, _ := New("1", seller, teapot, "CNY", noon)
	before := p.Attributes()
	price, empty := int64(-1), ""
	for name, c := range map[string]Change{"nothing": {}, "no price": {Price: &price}, "no name": {Name: &empty}} {
		if err := p.Change(seller, 1, c, noon); problem.KindOf(err) != problem.Invalid ||
			!reflect.DeepEqual(p.Attributes(), before) {
			t.Errorf("%s: %v, %+v, want an error and no change", name, err, p.Attributes())
		}
	}
	if err := p.Remove(seller, noon); err != nil || !p.Attributes().Deleted {
		t.Fatalf("remove: %v", err)
	}
	if err := p.Remove(seller, noon); problem.KindOf(err) != problem.NotFound {
		t.Errorf("remove again: %v, want not found", err)
	}
}

func TestQueriesAreChecked(t *testing.T) {
	minus, five, six := int64(-1), int64(5), int64(6)
	for field, q := range map[string]Query{
		"sort":      {Sort: "cheapest", PageSize: 20},
		"page_size": {PageSize: 101},
		"min_price": {MinPrice: &minus, PageSize: 20},
		"max_price": {MaxPrice: &minus, PageSize: 20},
		"above":     {MinPrice: &six, MaxPrice: &five, PageSize: 20},
		"q":         {Words: strings.Repeat("x", 201), PageSize: 20},
		"category":  {Category: strings.Repeat("x", 65), PageSize: 20},
	} {
		if _, err := q.Normal(); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: %v, want an error that names %s", q, err, field)
		}
	}
	for words, want := range map[string]Sort{"": Newest, "tea": Relevance} {
		if q, err := (Query{Words: words, PageSize: 20}).Normal(); err != nil || q.Sort != want {
			t.Errorf("q=%q sorts by %q, %v, want %q", words, q.Sort, err, want)
		}
	}
}

// What costs nothing is given as 0, or as a text.
func TestGoodsMayBeFree(t *testing.T) {
	for _, d := range []CreateParams{{Name: "Sample"}, {Name: "Sample", Price: 5, PriceText: "0.00"},
		{Name: "Sample", Price: 5, PriceText: "0"}} {
		p, err := New("1", seller, d, "CNY", noon)
		if err != nil || p.Attributes().Price.Amount != 0 {
			t.Errorf("%+v: %+v, %v", d, p, err)
		}
	}
	p, _ := New("1", seller, teapot, "CNY", noon)
	if err := p.Change(seller, 1, Change{Price: new(int64)}, noon); err != nil || p.Attributes().Price.Amount != 0 {
		t.Errorf("%+v, %v", p.Attributes(), err)
	}
}

func TestAPriceMayBeText(t *testing.T) {
	p, err := New("1", Actor{UserID: "5", Seller: true}, CreateParams{Name: "Teapot", PriceText: "12.99"}, "CNY",
		time.Now())
	if err != nil || p.Attributes().Price.Amount != 1299 {
		t.Fatalf("%+v, %v", p, err)
	}
	err = p.Change(Actor{UserID: "5"}, 1, Change{PriceText: "7"}, time.Now())
	if err != nil || p.Attributes().Price.Amount != 700 {
		t.Errorf("%+v, %v", p.Attributes(), err)
	}
}
