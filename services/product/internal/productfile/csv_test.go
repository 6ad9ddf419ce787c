package productfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
)

// shown is a row in words: line, sku, and what it says.
func shown(r catalog.ImportRow) string {
	s := fmt.Sprintf("%d %s", r.Line, r.SKU)
	add := func(name string, v *string) {
		if v != nil {
			s += fmt.Sprintf(" %s=%q", name, *v)
		}
	}
	add("name", r.Params.Name)
	add("text", r.Params.Description)
	add("category", r.Params.Category)
	if r.Params.Pictures != nil && len(*r.Params.Pictures) > 0 {
		s += fmt.Sprintf(" pictures=%v", *r.Params.Pictures)
	}
	if r.Params.PriceText != "" {
		s += " price=" + r.Params.PriceText
	}
	if r.Params.Stock != nil {
		s += fmt.Sprintf(" stock=%d", *r.Params.Stock)
	}
	if m := r.Params.MaxPerOrder; m != nil && m.Units != nil {
		s += fmt.Sprintf(" max=%d", *m.Units)
	}
	if r.Params.TrackNew != nil && !*r.Params.TrackNew {
		s += " untracked"
	}
	for _, p := range r.Problems {
		s += fmt.Sprintf(" [%s %s]", p.Field, p.Message)
	}
	return s
}

func readAll(t *testing.T, text string) (catalog.ImportFile, []string) {
	t.Helper()
	f, err := CSV(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%.60q: %v", text, err)
	}
	var all []string
	for {
		rows, err := f.Next()
		for _, r := range rows {
			all = append(all, shown(r))
		}
		if errors.Is(err, io.EOF) { // the rows of a product come after a broken one between them
			slices.SortFunc(all, func(a, b string) int { return cmp.Compare(lineOf(a), lineOf(b)) })
			return f, all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func lineOf(row string) (n int) {
	_, _ = fmt.Sscan(row, &n)
	return n
}

func TestCSVFilesBecomeProducts(t *testing.T) {
	const three = "pictures=[{https://a.example/1.jpg } {https://a.example/2.jpg } {https://a.example/3.jpg }]"
	const shopify = "Handle,Title,Body (HTML),Vendor,Type,Published,Option1 Name,Option1 Value,Option2 Value," +
		"Variant SKU,Variant Inventory Qty,Variant Price,Image Src,Status\n"
	const woo = "ID,Type,SKU,Name,Published,Short description,Description,Stock,Sold individually?,Regular price," +
		"Categories,Images,Parent\n"
	for what, c := range map[string]struct {
		text, format string
		want         []string
	}{
		"Shopify, one product": {shopify +
			`teapot,Teapot,"<p>Holds a <b>litre</b>.</p><ul><li>red</li><li>""blue""</li></ul>",ACME,Kitchen,TRUE,Title,` +
			"Default Title,,T-1,40,129.00,https://cdn.example/tea pot.jpg,active\n", "shopify", []string{
			`2 T-1 name="Teapot" text="Holds a litre.\n\n- red\n- \"blue\"" category="Kitchen" ` +
				`pictures=[{https://cdn.example/tea pot.jpg }] price=129.00 stock=40`}},
		"Shopify, variants and a second picture": {shopify +
			"cup,Cup,A cup,ACME,Kitchen,true,Colour,Red,S,C-R,1,9.99,https://a.example/1.jpg,active\r\n" +
			"cup,,,,,,,Red,L,,2,10.99,https://a.example/2.jpg,\r\n" +
			"cup,,,,,,,,,,,,https://a.example/3.jpg,\r\n" +
			"cup,,,,,,,Straßen Grün!,XL,,-1,10.99,,\r\n", "shopify", []string{
			`2 C-R name="Cup – Red / S" text="A cup" category="Kitchen" ` + three + ` price=9.99 stock=1`,
			`3 cup-red-l name="Cup – Red / L" text="A cup" category="Kitchen" ` + three +
				` price=10.99 stock=2`,
			`5 cup-straßen-grün-xl name="Cup – Straßen Grün! / XL" text="A cup" category="Kitchen" ` +
				three + ` price=10.99 stock=-1`}},
		"Shopify, not published": {shopify + "a,A,,,,FALSE,,,,,1,1,,active\nb,B,,,,TRUE,,,,,1,1,,draft\n", "shopify",
			[]string{`2 a name="A" text="" category="" price=1 stock=1 [published ` + unpublished + `]`,
				`3 b name="B" text="" category="" price=1 stock=1 [published ` + unpublished + `]`}},
		"Shopify's newer names": {"\ufeffTitle,URL handle,Description,Type,Product category,SKU,Price,Inventory quantity\n" +
			"Tea,tea,Green,,Food > Drinks > Tea,S-1,5.5,\n", "shopify",
			[]string{`2 S-1 name="Tea" text="Green" category="Food > Drinks > Tea" price=5.5`}},
		"Shopify's stock and alt texts": {"Handle,Title,Variant Inventory Tracker,Variant Inventory Qty,Variant Price," +
			"Image Src,Image Alt Text,Option1 Value,Variant Image\n" +
			"a,A,,0,1,/a.jpg,Front,Red,/r.jpg\na,,shopify,7,1,/b.jpg,Back,Blue,/b.jpg\nb,B,,2,1,,,,\nc,C,shopify,0,1,,,,\n",
			"shopify", []string{
				`2 a-red name="A – Red" pictures=[{/r.jpg } {/a.jpg Front} {/b.jpg Back}] price=1 stock=0 untracked`,
				`3 a-blue name="A – Blue" pictures=[{/b.jpg Back} {/a.jpg Front}] price=1 stock=7`,
				`4 b name="B" price=1 stock=2`, `5 c name="C" price=1 stock=0`}},
		"WooCommerce's stock": {"SKU,Name,In stock?,Stock,Regular price\nA,A,1,,1\nB,B,0,,1\nC,C,1,4,1\nD,D,1,parent,1\n",
			"woocommerce", []string{`2 A name="A" price=1 untracked`, `3 B name="B" price=1`, `4 C name="C" price=1 stock=4`,
				`5 D name="D" price=1 [stock is that of the variable product: give each variation its own]`}},
		"only prices": {"Handle;Variant SKU;Variant Price\ntea;'0017;1.234,50\n", "shopify",
			[]string{"2 0017 price=1.234,50"}},
		"line breaks in cells": {shopify +
			"a,\"Tea\n\"\"pot\"\"\",\"one\ntwo\",,,,,,,X,1,1,,\nb,B,,,,,,,,Y,1,1,,\n", "shopify", []string{
			`2 X name="Tea\n\"pot\"" text="one\ntwo" category="" price=1 stock=1`,
			`5 Y name="B" text="" category="" price=1 stock=1`}},
		"broken rows between good ones": {shopify + "a,A,,,,,,,,X,1,1,,\nb,\"B\" x,,,,,,,,Y,1,1,,\nc,C,1\n\n" +
			"d,D,,,,,,,,Z,1.5,1,,\ne,\xff,,,,,,,,Z,1,1,,\n", "shopify", []string{
			`2 X name="A" text="" category="" price=1 stock=1`,
			`3  [ is not CSV: extraneous or missing " in quoted-field]`,
			"4  [ has 3 cells, but the header row has 14]",
			`6 Z name="D" text="" category="" price=1 [stock must be a whole number, like 25]`,
			"7  [Title must be UTF-8 without NUL]"}},
		"WooCommerce": {woo +
			`7,simple,W-1,Tea &amp; Pot,1,,"Line one\nLine two &lt;3",5,1,12.99,"Clothing > Tea\, loose, Sale",` +
			`"https://a.example/1.jpg, https://a.example/2.jpg",` + "\n", "woocommerce", []string{
			`2 W-1 name="Tea & Pot" text="Line one\nLine two <3" category="Clothing > Tea, loose" ` +
				`pictures=[{https://a.example/1.jpg } {https://a.example/2.jpg }] price=12.99 stock=5 max=1`}},
		"WooCommerce, variations": {woo +
			"1,variable,V,Hoodie,1,Short,,,0,,Hoodies,https://a.example/h.jpg,\n" +
			"2,variation,V-1,Hoodie - Red,1,,,3,0,45,,,V\n" +
			"3,\"variation, virtual\",V-2,Hoodie - Blue,1,,,4,0,46,,https://a.example/b.jpg,id:1\n" +
			"4,variable,H,Hidden,-1,,,,,,,,\n5,variation,H-1,Hidden - Red,1,,,,,1,,,H\n" +
			"6,grouped,G,Group,1,,,,,,,,\n7,simple,S,'=Sum,1,Short,,,,'-5,,,\n", "woocommerce", []string{
			`3 V-1 name="Hoodie - Red" text="Short" category="Hoodies" pictures=[{https://a.example/h.jpg }] price=45 stock=3`,
			`4 V-2 name="Hoodie - Blue" text="Short" category="Hoodies" pictures=[{https://a.example/b.jpg }] price=46 stock=4`,
			`6 H-1 name="Hidden - Red" text="" category="" price=1 untracked [published ` + unpublished + `]`,
			`7 G name="Group" text="" category="" untracked [type a product of type grouped cannot be imported]`,
			`8 S name="=Sum" text="Short" category="" price='-5 untracked`}},
		"a header alone": {woo, "woocommerce", nil},
	} {
		f, got := readAll(t, c.text)
		if f.Format != c.format || !slices.Equal(got, c.want) {
			t.Errorf("%s: %s\n%s\nwant %s\n%s", what, f.Format, strings.Join(got, "\n"), c.format, strings.Join(c.want, "\n"))
		}
	}
	odd, _ := readAll(t, "SKU,Name,a\x00b\u202ec\x1b[31m,"+strings.Repeat("x", 200)+"\n")
	if !slices.Equal(odd.Ignored, []string{"abc[31m", strings.Repeat("x", 100)}) {
		t.Errorf("ignored: %q", odd.Ignored)
	}
	f, _ := readAll(t, shopify)
	if !slices.Equal(f.Ignored, []string{"Vendor", "Option1 Name"}) {
		t.Errorf("ignored: %q", f.Ignored)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for text, says := range map[string]string{"": "is empty", "a,b\n1,2\n": "neither Shopify's", "Name;Price\n": "neither",
		"\xff\xfeH\x00a\x00": "must be UTF-8", "\"Handle": "no header row",
		"Handle,Title" + strings.Repeat(",x", 1000): "more than 1000 columns"} {
		if _, err := CSV(strings.NewReader(text)); problem.KindOf(err) != problem.Invalid ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestPlainText(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"Two\nlines & <3":                "Two\nlines & <3",
		"a &lt;b&gt; &amp; c":            "a <b> & c",
		"<p>One</p>\n<p>Two</p>":         "One\n\nTwo",
		"One<br>Two<br/><br/><br/>Three": "One\nTwo\n\nThree",
		"<div>a<div>b</div></div>c":      "a\nb\nc",
		"<script>alert(1)</script>x<style>p{}</style>":                    "x",
		"<ul>\n <li>a</li>\n <li><b>b</b>&nbsp;c</li></ul>d":              "- a\n- b c\n\nd",
		"<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>": "1 2\n3",
		"<p>&amp;lt;b&amp;gt;</p>":                                        "&lt;b&gt;",
		"<p>not closed <b>bold":                                           "not closed bold",
		"<!-- no --><p>yes</p>":                                           "yes",
		"H<sub>2</sub>O and <a>x</a>.":                                    "H2O and x.",
	} {
		if got := PlainText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
