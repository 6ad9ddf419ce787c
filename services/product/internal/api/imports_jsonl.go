package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"daprmall.dev/services/kit/money"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/catalog"
)

// maxLine is the longest line of JSON, in bytes. The longest valid product is shorter.
const maxLine = 256 << 10

// importedProduct is a line of JSON. What it leaves out stays as it is.
type importedProduct struct {
	SKU         string             `json:"sku"`
	Name        *string            `json:"name"`
	Description *string            `json:"description"`
	Category    *string            `json:"category"`
	ImageURL    *string            `json:"image_url"`
	Pictures    *[]catalog.Picture `json:"pictures"`
	Price       *money.Sent        `json:"price"`
	MaxPerOrder *int64             `json:"max_per_order"`
	Tracked     *bool              `json:"stock_tracked"`
	Stock       *int64             `json:"stock"`
}

// jsonLines reads a file with a JSON object in each line.
func jsonLines(from io.Reader) catalog.ImportFile {
	in, number := bufio.NewReaderSize(from, maxLine), 0
	next := func() (rows []catalog.ImportRow, err error) {
		for len(rows) < 200 {
			line, long, err := readLine(in)
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			if number++; number == 1 {
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			switch {
			case long:
				row := catalog.ImportRow{Line: number}
				row.Problems = []problem.Field{{Message: "is longer than 262144 bytes"}}
				rows = append(rows, row)
			case len(bytes.TrimSpace(line)) > 0:
				rows = append(rows, lineRow(number, line))
			}
			if err != nil {
				return rows, err
			}
		}
		return rows, nil
	}
	return catalog.ImportFile{Format: "jsonl", Ignored: []string{}, Next: next}
}

// readLine reads a line. One that is too long it skips.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	line, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = in.ReadSlice('\n')
	}
	return line, long, err
}

func lineRow(number int, line []byte) catalog.ImportRow {
	row := catalog.ImportRow{Line: number}
	var in importedProduct
	err := web.Decode(line, &in)
	if err != nil {
		row.Problems = fieldsOf(err)
		return row
	}
	row.SKU = in.SKU
	amount, text, err := readPrice(in.Price)
	if err != nil {
		row.Problems = fieldsOf(err)
		return row
	}
	if text != "" {
		amount = nil
	}
	row.Params = catalog.ImportParams{Stock: in.Stock, Change: catalog.Change{Name: in.Name, Description: in.Description,
		Category: in.Category, ImageURL: in.ImageURL, Pictures: in.Pictures, Price: amount, PriceText: text,
		Tracked: in.Tracked}}
	if in.MaxPerOrder != nil {
		row.Params.MaxPerOrder = &catalog.Maximum{Units: in.MaxPerOrder}
	}
	encodePictures(&row)
	return row
}

// encodePictures encodes the addresses of pictures for the seller.
func encodePictures(row *catalog.ImportRow) {
	if row.Params.ImageURL != nil {
		row.Params.ImageURL = new(encodedImage(*row.Params.ImageURL))
	}
	row.Params.Pictures = encodedPictures(row.Params.Pictures)
}

// fieldsOf are the problems of a line that cannot be read.
func fieldsOf(err error) []problem.Field {
	var p *problem.Error
	if errors.As(err, &p) && len(p.Fields) > 0 {
		return p.Fields
	}
	if p != nil {
		return []problem.Field{{Message: strings.ReplaceAll(p.Detail, "The body", "The line")}}
	}
	return []problem.Field{{Message: "cannot be read"}}
}
