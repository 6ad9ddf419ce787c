// Package lookalike detects texts that look like others.
package lookalike

import "golang.org/x/text/unicode/norm"

// Has reports whether a text may look like another one: it has decomposed accents, wide letters, ligatures (it is not
// in Unicode's NFKC form).
func Has(text string) bool { return !norm.NFKC.IsNormalString(text) }
