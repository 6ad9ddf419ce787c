package postgres

import (
	"fmt"
	"strings"
)

// Array writes numbers, or ids in decimal, as a PostgreSQL array: one statement text for any number of them, so that its plan is kept.
func Array[T int64 | string](values []T) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		_, _ = fmt.Fprint(&b, v)
	}
	b.WriteByte('}')
	return b.String()
}
