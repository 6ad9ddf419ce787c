package productfile

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
)

// pieces reads a file to its end or to an error, and calls see with each piece.
func pieces(t *testing.T, text string, see func([]catalog.ImportRow)) error {
	t.Helper()
	f, err := CSV(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for {
		rows, err := f.Next()
		if len(rows) > pieceRows {
			t.Errorf("a piece has %d rows, want at most %d", len(rows), pieceRows)
		}
		see(rows)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// What all variants of a product have in common is kept once, and no longer than a little over what may be.
func TestTextsOfAProductAreKeptOnce(t *testing.T) {
	long := strings.Repeat("茶", 1<<20)
	images := "/" + long
	for i := range 12 {
		images += fmt.Sprintf(", /%d.jpg", i)
	}
	shopify := "Handle,Title,Body,Type,Option1 Value,Variant Price,Image Src,Image Alt Text\n" +
		fmt.Sprintf("tea,%[1]s,<p>%[1]s</p>,%[1]s,0,1,/%[1]s,%[1]s\n", long)
	woo := "Type,SKU,Name,Description,Categories,Regular price,Images,Parent\n" +
		fmt.Sprintf("variable,P,%[1]s,%[1]s,%[1]s,,%[2]q,\n", long, images)
	for i := range 500 {
		shopify += fmt.Sprintf("tea,,,,%d,1,,\n", i+1)
		woo += fmt.Sprintf("variation,V-%d,,,,1,,P\n", i)
	}
	for what, file := range map[string]string{"Shopify": shopify, "WooCommerce": woo} {
		n, descriptions := 0, map[*string]bool{}
		err := pieces(t, file, func(rows []catalog.ImportRow) {
			for _, r := range rows {
				n++
				p := r.Params
				descriptions[p.Description] = true
				size := len(*p.Name) + len(*p.Description) + len(*p.Category) + len(r.SKU)
				for _, picture := range *p.Pictures {
					size += len(picture.URL) + len(picture.Alt)
				}
				if size > 64<<10 {
					t.Fatalf("%s: line %d has %d bytes of texts", what, r.Line, size)
				}
			}
		})
		if err != nil || n < 500 || len(descriptions) != 1 {
			t.Errorf("%s: %d rows with %d descriptions (%v), want at least 500 with one", what, n, len(descriptions), err)
		}
	}
}

func TestFilesHaveABoundedNumberOfRows(t *testing.T) {
	for what, file := range map[string]string{
		"pictures": "Handle,Title,Variant Price,Image Src\ntea,Tea,1,/0.jpg\n" +
			strings.Repeat("tea,,,/1.jpg\n", maxRecords),
		"variable products": "Type,SKU,Name\n" + strings.Repeat("variable,P,Tea\n", maxRecords+1),
	} {
		err := pieces(t, file, func([]catalog.ImportRow) {})
		if problem.CodeOf(err) != "body_too_large" {
			t.Errorf("too many %s: %v, want body_too_large", what, err)
		}
	}
}

func TestAProductHasABoundedNumberOfVariantsAndPictures(t *testing.T) {
	var file strings.Builder
	file.WriteString("Handle,Title,Option1 Value,Variant Price,Image Src,Image Alt Text,Variant Image\n" +
		"tea,Tea,x,1,/x.jpg,,\n")
	const more = 5
	for i := range maxVariants - 1 + more {
		fmt.Fprintf(&file, "tea,,%[1]d,1,/%[1]d.jpg,Number %[1]d,/%[1]d.jpg\n", i)
	}
	taken, refused := 0, 0
	err := pieces(t, file.String(), func(rows []catalog.ImportRow) {
		for _, r := range rows {
			if len(r.Problems) > 0 {
				if p := r.Problems[0]; p.Field != "handle" || p.Message != "has more than 2000 variants" {
					t.Errorf("line %d: %v", r.Line, p)
				}
				refused++
				continue
			}
			taken++
			own := catalog.Picture{URL: fmt.Sprintf("/%d.jpg", r.Line-3), Alt: fmt.Sprintf("Number %d", r.Line-3)}
			if p := *r.Params.Pictures; len(p) != maxPictures || r.Line > 2 && p[0] != own {
				t.Fatalf("line %d has %d pictures, the first %v", r.Line, len(p), p[0])
			}
		}
	})
	if err != nil || taken != maxVariants || refused != more {
		t.Errorf("%d rows are taken and %d refused (%v), want %d and %d", taken, refused, err, maxVariants, more)
	}
}

func TestRowsHaveABoundedNumberOfCells(t *testing.T) {
	const header = "Handle,Title,Variant Price\n"
	for what, text := range map[string]string{"a row": header + strings.Repeat(",", 1<<22),
		"a row with line breaks": header + strings.Repeat("\"\n\",", 1<<20),
		"the header":             header[:len(header)-1] + strings.Repeat(",", 1<<22)} {
		f, err := CSV(strings.NewReader(text))
		for err == nil {
			_, err = f.Next()
		}
		if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "200000 separators") {
			t.Errorf("%s of many cells: %v", what, err)
		}
	}
	texts := header + strings.Repeat("tea,\""+strings.Repeat(";", 10_000)+"\",1\n", 100)
	if err := pieces(t, texts, func([]catalog.ImportRow) {}); err != nil {
		t.Errorf("many rows of few cells: %v", err)
	}
}
