package productfile

import (
	"html"
	"iter"
	"strings"

	"daprmall.dev/services/product/internal/catalog"
)

// wooColumns are the columns of WooCommerce's product export.
var wooColumns = map[string][]string{
	"id":           {"id"},
	"type":         {"type"},
	"sku":          {"sku"},
	"name":         {"name"},
	"published":    {"published"},
	"short":        {"short description"},
	"description":  {"description"},
	"stock":        {"stock"},
	"in stock":     {"in stock?"},
	"individually": {"sold individually?"},
	"price":        {"regular price", "price"},
	"categories":   {"categories"},
	"images":       {"images"},
	"parent":       {"parent"},
}

// woo reads WooCommerce's product export. A variable product is no product itself: its variations are, and have from it
// what they do not say.
type woo struct {
	parents map[string]wooParent // by sku and by "id:" with the id
}

type wooParent struct {
	params catalog.ImportParams
	hidden bool // not published
}

func (w *woo) read(r record) []catalog.ImportRow {
	row := catalog.ImportRow{Line: r.line, SKU: bounded(w.text(r, "sku"), maxCell)}
	row.Params.Change = w.change(r)
	kind := strings.ToLower(r.text("type"))
	is := func(word string) bool {
		for k := range strings.SplitSeq(kind, ",") {
			if strings.TrimSpace(k) == word {
				return true
			}
		}
		return false
	}
	published, known := yes(r.text("published"))
	hidden := known && !published
	switch {
	case is("variable"):
		parent := wooParent{row.Params, hidden}
		if row.SKU != "" {
			w.parents[row.SKU] = parent
		}
		w.parents["id:"+r.text("id")] = parent
		return nil
	case is("variation"):
		parent := w.parents[w.text(r, "parent")]
		inherit(&row.Params, parent.params)
		hidden = hidden || parent.hidden
	case is("grouped"), is("external"):
		fault(&row, "type", "a product of type "+kind+" cannot be imported")
	}
	setPrice(&row, r.text("price"))
	switch stock := r.text("stock"); {
	case stock == "parent":
		fault(&row, "stock", "is that of the variable product: give each variation its own")
	case stock == "" && r.columns.has("stock"): // WooCommerce does not count it
		inStock, known := yes(r.text("in stock"))
		row.Params.TrackNew = new(known && !inStock)
	default:
		setStock(&row, stock)
	}
	if hidden {
		fault(&row, "published", unpublished)
	}
	return []catalog.ImportRow{row}
}

func (w *woo) end() []catalog.ImportRow { return nil }

func (w *woo) change(r record) catalog.Change {
	c := catalog.Change{}
	if name := r.given("name"); name != nil {
		*name = bounded(html.UnescapeString(w.text(r, "name")), maxCell)
		c.Name = name
	}
	if r.columns.has("description") || r.columns.has("short") {
		text := w.text(r, "description")
		if text == "" {
			text = w.text(r, "short")
		}
		text = PlainText(strings.ReplaceAll(text, `\n`, "\n")) // so WooCommerce writes line breaks
		c.Description = new(bounded(text, maxDescription))
	}
	if r.columns.has("categories") {
		first := ""
		for category := range list(w.text(r, "categories")) {
			first = bounded(html.UnescapeString(category), maxCell)
			break
		}
		c.Category = &first
	}
	if r.columns.has("images") {
		all := []catalog.Picture{}
		for url := range list(r.whole("images")) {
			all = addPicture(all, catalog.Picture{URL: url})
		}
		c.Pictures = &all
	}
	if one, known := yes(r.text("individually")); known && r.columns.has("individually") {
		c.MaxPerOrder = &catalog.Maximum{}
		if one {
			c.MaxPerOrder.Units = new(int64(1))
		}
	}
	return c
}

// inherit takes from a variation's parent what the variation does not say.
func inherit(p *catalog.ImportParams, from catalog.ImportParams) {
	for _, pair := range []struct{ to, from **string }{{&p.Name, &from.Name}, {&p.Description, &from.Description},
		{&p.Category, &from.Category}} {
		if *pair.from != nil && (*pair.to == nil || **pair.to == "") {
			*pair.to = *pair.from
		}
	}
	if from.Pictures != nil && (p.Pictures == nil || len(*p.Pictures) == 0) {
		p.Pictures = from.Pictures
	}
}

// text is a cell without the apostrophe that WooCommerce puts before what a spreadsheet could take for a formula.
func (w *woo) text(r record, name string) string {
	text := r.whole(name)
	if rest, ok := strings.CutPrefix(text, "'"); ok && rest != "" && strings.ContainsRune("=+-@", rune(rest[0])) {
		return rest
	}
	return text
}

// list splits a cell with several values. A comma in one of them has a backslash before it.
func list(cell string) iter.Seq[string] {
	const comma = "\x00"
	return func(yield func(string) bool) {
		for v := range strings.SplitSeq(strings.ReplaceAll(cell, `\,`, comma), ",") {
			if v = strings.TrimSpace(strings.ReplaceAll(v, comma, ",")); v != "" && !yield(v) {
				return
			}
		}
	}
}
