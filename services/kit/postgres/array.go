package postgres

import (
	"fmt"
	"strings"
)

// Array formats numbers or decimal ids as a PostgreSQL array: one statement text for any number of them, so that its
// plan is reused.
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
