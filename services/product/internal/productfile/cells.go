package productfile

import (
	"bytes"
	"io"
)

// maxSeparators is about how many separators a row may have, those within its texts included. The CSV reader needs 40
// bytes for each cell: a file of nothing but commas would take a gigabyte.
const maxSeparators = 200_000

// cellReader refuses a file with a row of too many cells.
type cellReader struct {
	from io.Reader
	seen int // separators that were read since the last row
}

func (c *cellReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	for _, separator := range separators {
		c.seen += bytes.Count(p[:n], []byte(string(separator)))
	}
	if c.seen > maxSeparators {
		return 0, badFile("has a row with more than 200000 separators")
	}
	return n, err
}
