package productfile

import (
	"strconv"
	"strings"
	"unicode"

	"daprmall.dev/services/product/internal/catalog"
)

// shopifyColumns are the columns of Shopify's product export, old names and new ones.
var shopifyColumns = map[string][]string{
	"handle":        {"handle", "url handle"},
	"title":         {"title"},
	"body":          {"body (html)", "body", "description"},
	"type":          {"type", "product type", "custom product type"},
	"category":      {"product category", "standardized product type", "standard product type"},
	"published":     {"published", "published on online store"},
	"status":        {"status"},
	"option1":       {"option1 value"},
	"option2":       {"option2 value"},
	"option3":       {"option3 value"},
	"sku":           {"variant sku", "sku"},
	"price":         {"variant price", "price"},
	"stock":         {"variant inventory qty", "inventory quantity"},
	"image":         {"image src", "product image url"},
	"alt":           {"image alt text"},
	"variant image": {"variant image", "variant image url"},
	"tracker":       {"variant inventory tracker", "inventory tracker"},
}

// shopify reads Shopify's product export. A product has a row for each variant, and rows for further pictures; only its
// first row has the title, the description and the like. Variants become products, with all pictures of their product.
type shopify struct {
	handle   string
	first    catalog.ImportParams // of the first row of the handle
	title    string
	hidden   bool // not published
	variants []catalog.ImportRow
	images   []string          // of the variants
	pictures []catalog.Picture // the first ones
	alts     map[string]string // of all pictures, by address
}

// maxVariants is how many variants a product may have.
const maxVariants = 2000

func (s *shopify) read(r record) (done []catalog.ImportRow) {
	handle, options := r.text("handle"), s.options(r)
	more := handle == s.handle && r.text("title") == ""
	if !more {
		done = s.end()
		s.begin(r)
	}
	picture := catalog.Picture{URL: r.text("image"), Alt: r.text("alt")}
	s.pictures = addPicture(s.pictures, picture)
	if _, again := s.alts[picture.URL]; !again {
		s.alts[picture.URL] = picture.Alt
	}
	if more && r.text("sku") == "" && r.text("price") == "" && len(options) == 0 {
		return done // the row has only a picture
	}
	if len(s.variants) == maxVariants {
		return append(done, refused(r.line, "handle", "has more than "+strconv.Itoa(maxVariants)+" variants"))
	}
	// an apostrophe keeps a spreadsheet from reading the sku as a number
	row := catalog.ImportRow{Line: r.line, SKU: strings.TrimPrefix(r.text("sku"), "'"), Params: s.first}
	if row.SKU == "" && handle != "" { // the same in every export, because handle and options are
		row.SKU = strings.Join(append([]string{handle}, slugs(options)...), "-")
	}
	if s.title != "" && len(options) > 0 {
		name := s.title + " – " + strings.Join(options, " / ")
		row.Params.Name = &name
	}
	setPrice(&row, r.text("price"))
	setStock(&row, r.text("stock"))
	if s.hidden {
		fault(&row, "published", unpublished)
	}
	if stock := r.text("stock"); r.columns.has("tracker") && (stock == "" || stock == "0") {
		row.Params.TrackNew = new(r.text("tracker") != "") // Shopify writes 0 for what it does not count
	}
	s.variants, s.images = append(s.variants, row), append(s.images, r.text("variant image"))
	if r.columns.has("image") || r.columns.has("variant image") {
		s.variants[len(s.variants)-1].Params.Pictures = &[]catalog.Picture{} // until all are known
	}
	return done
}

// end returns the variants of the product that was read last.
func (s *shopify) end() []catalog.ImportRow {
	for i := range s.variants {
		if p := &s.variants[i].Params; p.Pictures != nil {
			own := addPicture([]catalog.Picture{}, catalog.Picture{URL: s.images[i], Alt: s.alts[s.images[i]]})
			for _, picture := range s.pictures {
				own = addPicture(own, picture)
			}
			p.Pictures = &own
		}
	}
	done := s.variants
	*s = shopify{}
	return done
}

// begin remembers what all variants of a product have in common.
func (s *shopify) begin(r record) {
	*s = shopify{handle: r.text("handle"), title: r.text("title"), alts: map[string]string{}}
	s.first.Name = r.given("title")
	if r.columns.has("body") {
		text := bounded(PlainText(r.whole("body")), maxDescription)
		s.first.Description = &text
	}
	if category := r.text("type"); category != "" {
		s.first.Category = &category
	} else if category := r.given("category"); category != nil {
		s.first.Category = category
	} else {
		s.first.Category = r.given("type")
	}
	published, known := yes(r.text("published"))
	status := strings.ToLower(r.text("status"))
	s.hidden = known && !published || status != "" && status != "active"
}

// options are the values of a variant's options, without that of a product that has no variants.
func (s *shopify) options(r record) []string {
	var values []string
	for _, name := range []string{"option1", "option2", "option3"} {
		if v := r.text(name); v != "" && v != "Default Title" {
			values = append(values, v)
		}
	}
	return values
}

// slugs are texts as they stand in a handle: letters and digits in lower case, with hyphens between the words.
func slugs(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = strings.Join(strings.FieldsFunc(strings.ToLower(text), func(c rune) bool {
			return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c)
		}), "-")
	}
	return out
}
