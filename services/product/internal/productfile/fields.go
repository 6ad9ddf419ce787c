package productfile

import (
	"slices"
	"strconv"
	"strings"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
)

// setPrice sets the price of a row. An empty cell sets none.
func setPrice(row *catalog.ImportRow, text string) { row.Params.PriceText = text }

// setStock sets the first stock of a row. An empty cell sets none.
func setStock(row *catalog.ImportRow, text string) {
	if text == "" {
		return
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		fault(row, "stock", "must be a whole number, like 25")
		return
	}
	row.Params.Stock = &n
}

// maxPictures is how many pictures of a product are read.
const maxPictures = 10

// addPicture adds a picture, unless there are enough or one has its address.
func addPicture(kept []catalog.Picture, p catalog.Picture) []catalog.Picture {
	p.URL = bounded(p.URL, maxCell)
	same := func(k catalog.Picture) bool { return k.URL == p.URL }
	if p.URL == "" || len(kept) == maxPictures || slices.ContainsFunc(kept, same) {
		return kept
	}
	return append(kept, p)
}

// The longest texts that are kept, in bytes. What is longer no product may have.
const (
	maxCell        = 4096
	maxDescription = 40_000
)

// overlong stands for texts that are not kept. It breaks the rules of each field, so that their rows are refused.
var overlong = strings.Repeat("x", maxDescription+1)

// bounded is a text, or if it has more bytes than that, one with one more: all variants of a product have its texts.
func bounded(text string, most int) string {
	if len(text) > most {
		return overlong[:most+1]
	}
	return text
}

func fault(row *catalog.ImportRow, field, message string) {
	row.Problems = append(row.Problems, problem.Field{Field: field, Message: message})
}

// yes reads what files say for yes and no; ok is false for anything else.
func yes(text string) (is, ok bool) {
	text = strings.ToLower(text)
	switch {
	case slices.Contains([]string{"true", "1", "yes"}, text):
		return true, true
	case slices.Contains([]string{"false", "0", "no", "-1"}, text):
		return false, true
	}
	return false, false
}

const unpublished = "the product is not published in the shop that the file comes from"
