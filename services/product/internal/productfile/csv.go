// Package productfile reads sellers' files of products: the CSV files that Shopify and WooCommerce export. Each row of
// a file becomes a product of the catalogue, or says what is wrong with it.
package productfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
)

// pieceRows is how many rows one call of Next returns at most.
const pieceRows = 200

// dialect is a kind of CSV file.
type dialect interface {
	// read takes a row of the file, and returns the products that no further row belongs to.
	read(r record) []catalog.ImportRow
	// end returns the last products.
	end() []catalog.ImportRow
}

// CSV reads a file with a header row: which columns it has tells which dialect it is. Cells are separated by commas,
// semicolons or tabs.
func CSV(from io.Reader) (catalog.ImportFile, error) {
	cells := &cellReader{from: from}
	text := bufio.NewReaderSize(cells, maxHeader)
	r := csv.NewReader(text)
	start, err := text.Peek(maxHeader)
	if err != nil && !errors.Is(err, io.EOF) && len(start) == 0 {
		return catalog.ImportFile{}, err
	}
	if bytes.HasPrefix(start, []byte("\ufeff")) {
		_, _ = text.Discard(len("\ufeff"))
	}
	r.Comma, r.FieldsPerRecord = separator(start), -1
	header, err := r.Read()
	var wrong *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return catalog.ImportFile{}, badFile("is empty")
	case errors.As(err, &wrong):
		return catalog.ImportFile{}, badFile("has no header row that can be read: " + wrong.Err.Error())
	case err != nil:
		return catalog.ImportFile{}, err
	case !utf8.ValidString(strings.Join(header, "")):
		return catalog.ImportFile{}, badFile("must be UTF-8")
	case len(header) > maxColumns:
		return catalog.ImportFile{}, badFile("has more than 1000 columns")
	}
	for i, name := range header {
		header[i] = columnName(name)
	}
	format, columns, d := dialectOf(header)
	if d == nil {
		return catalog.ImportFile{}, badFile("has a header row that is neither Shopify's (Handle, Title, Variant SKU, " +
			"Variant Price, …) nor WooCommerce's (SKU, Name, Regular price, …)")
	}
	rows := csvRows{csv: r, cells: cells, header: header, columns: columns, dialect: d}
	return catalog.ImportFile{Format: format, Ignored: columns.ignored(header), Next: rows.next}, nil
}

// maxColumns is how many columns a file may have. A shop with many fields of its own has some hundred.
const maxColumns = 1000

// columnName is a name as a report shows it: one line of at most 100 characters.
func columnName(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return -1
		}
		return c
	}, name)
	return string([]rune(name)[:min(utf8.RuneCountInString(name), 100)])
}

// maxHeader is the longest header row that is read, in bytes.
const maxHeader = 64 << 10

func badFile(message string) error {
	return problem.Validation(problem.Field{Field: "file", Message: message})
}

// separators are what cells may be separated by.
const separators = ",;\t"

// separator is what the header row has most of.
func separator(start []byte) rune {
	line, _, _ := bytes.Cut(start, []byte("\n"))
	best := ','
	for _, c := range separators {
		if bytes.Count(line, []byte(string(c))) > bytes.Count(line, []byte(string(best))) {
			best = c
		}
	}
	return best
}

// csvRows reads the rows after the header.
type csvRows struct {
	csv     *csv.Reader
	cells   *cellReader
	header  []string
	columns columns
	dialect dialect
	records int                 // that were read
	ready   []catalog.ImportRow // that were not returned
	ended   bool
}

// maxRecords is how many rows a file may have: products, further pictures of them, and variable products.
const maxRecords = 5 * catalog.MaxImportRows

// next returns at most pieceRows rows.
func (c *csvRows) next() ([]catalog.ImportRow, error) {
	for len(c.ready) < pieceRows && !c.ended {
		rows, err := c.read()
		if c.ended = errors.Is(err, io.EOF); err != nil && !c.ended {
			return nil, err
		}
		c.ready = append(c.ready, rows...)
	}
	n := min(pieceRows, len(c.ready))
	rows := c.ready[:n]
	if c.ready = c.ready[n:]; c.ended && len(c.ready) == 0 {
		return rows, io.EOF
	}
	return rows, nil
}

// read reads a record, and returns the rows that end with it. With io.EOF it returns the last ones.
func (c *csvRows) read() ([]catalog.ImportRow, error) {
	cells, err := c.csv.Read()
	c.cells.seen = 0
	if c.records++; c.records > maxRecords && !errors.Is(err, io.EOF) {
		return nil, problem.New(problem.TooLarge, "body_too_large", "The file has more than %d rows. Split it.", maxRecords)
	}
	var wrong *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return c.dialect.end(), io.EOF
	case errors.As(err, &wrong):
		return []catalog.ImportRow{refused(wrong.StartLine, "", "is not CSV: "+wrong.Err.Error())}, nil
	case err != nil:
		return nil, err
	}
	line, _ := c.csv.FieldPos(0)
	if strings.TrimSpace(strings.Join(cells, "")) == "" {
		return nil, nil
	}
	if len(cells) != len(c.header) {
		return []catalog.ImportRow{refused(line, "", fmt.Sprintf("has %d cells, but the header row has %d", len(cells),
			len(c.header)))}, nil
	}
	if column := unreadable(c.header, cells); column != "" {
		return []catalog.ImportRow{refused(line, column, "must be UTF-8 without NUL")}, nil
	}
	return c.dialect.read(record{line, cells, c.columns}), nil
}

// unreadable names the column of the first cell that cannot be kept, "" if there is none.
func unreadable(header, cells []string) string {
	for i, cell := range cells {
		if !utf8.ValidString(cell) || strings.ContainsRune(cell, 0) {
			return header[i]
		}
	}
	return ""
}

func refused(line int, field, message string) catalog.ImportRow {
	return catalog.ImportRow{Line: line, Problems: []problem.Field{{Field: field, Message: message}}}
}

// columns are the columns that a dialect reads, by its own names of them.
type columns map[string]int

// columnsOf finds known columns in a header row. Each has several spellings, the first one found counts.
func columnsOf(header []string, known map[string][]string) columns {
	at := map[string]int{}
	for i, name := range header {
		if name = plainName(name); name != "" {
			if _, twice := at[name]; !twice {
				at[name] = i
			}
		}
	}
	found := columns{}
	for name, spellings := range known {
		for _, s := range spellings {
			if i, ok := at[s]; ok {
				found[name] = i
				break
			}
		}
	}
	return found
}

// plainName is a column's name in lower case with single spaces.
func plainName(name string) string { return strings.Join(strings.Fields(strings.ToLower(name)), " ") }

func (c columns) has(names ...string) bool {
	for _, name := range names {
		if _, ok := c[name]; !ok {
			return false
		}
	}
	return true
}

// ignored are the columns that are not read.
func (c columns) ignored(header []string) []string {
	read := map[int]bool{}
	for _, i := range c {
		read[i] = true
	}
	ignored := []string{}
	for i, name := range header {
		if !read[i] && strings.TrimSpace(name) != "" {
			ignored = append(ignored, strings.TrimSpace(name))
		}
	}
	return ignored
}

// dialectOf recognises a header row; the dialect is nil for an unknown one.
func dialectOf(header []string) (format string, c columns, d dialect) {
	if c = columnsOf(header, shopifyColumns); c.has("handle") && (c.has("title") || c.has("sku") || c.has("price")) {
		return "shopify", c, &shopify{}
	}
	if c = columnsOf(header, wooColumns); c.has("sku") && (c.has("name") || c.has("price") || c.has("stock")) {
		return "woocommerce", c, &woo{parents: map[string]wooParent{}}
	}
	return "", nil, nil
}

// record is a row of the file.
type record struct {
	line    int
	cells   []string
	columns columns
}

// text is the text of a cell, "" without the column.
func (r record) text(name string) string { return bounded(r.whole(name), maxCell) }

// whole is the trimmed text of a cell of any length.
func (r record) whole(name string) string {
	if i, ok := r.columns[name]; ok {
		return strings.TrimSpace(r.cells[i])
	}
	return ""
}

// given is the text of a cell, nil without the column.
func (r record) given(name string) *string {
	if !r.columns.has(name) {
		return nil
	}
	text := r.text(name)
	return &text
}
