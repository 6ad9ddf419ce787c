// Package lookalike knows texts that look like others.
package lookalike

import "golang.org/x/text/unicode/norm"

// Has reports whether a text may look like another: a letter with its accent beside it, a wide one, one that is two
// (Unicode's NFKC).
func Has(text string) bool { return !norm.NFKC.IsNormalString(text) }
