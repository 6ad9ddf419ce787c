// Package text has the rules for texts that people write and others read: names, addresses, reasons, descriptions.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
)

// Rule says what a text may be. Its zero value allows only the empty text.
type Rule struct {
	Required bool // not empty
	Most     int  // characters (code points)
	Lines    bool // several lines, with tabs
}

// Check returns what is wrong with a field's text, nil if nothing is.
//
// A text that is not empty shows something. No text turns the direction of writing of what stands beside it (Unicode's
// bidirectional controls, see Unicode Technical Report 36), and only several lines have line breaks.
func (r Rule) Check(field, s string) []problem.Field {
	if message := r.fault(s); message != "" {
		return []problem.Field{{Field: field, Message: message}}
	}
	return nil
}

func (r Rule) fault(s string) string {
	control := func(c rune) bool { return unicode.IsControl(c) && !(r.Lines && strings.ContainsRune("\n\r\t", c)) }
	turning := func(c rune) bool { return unicode.Is(unicode.Bidi_Control, c) }
	switch {
	case !utf8.ValidString(s):
		return "must be valid text"
	case s == "" && r.Required:
		return "must not be empty"
	case s == "":
		return ""
	case utf8.RuneCountInString(s) > r.Most:
		return fmt.Sprintf("must have at most %d characters", r.Most)
	case !r.Lines && strings.ContainsFunc(s, breaksLine):
		return "must be one line"
	case strings.ContainsFunc(s, control):
		return "must not contain control characters"
	case strings.ContainsFunc(s, turning):
		return "must not contain characters that turn the direction of writing"
	case !Shows(s):
		return "must contain something visible"
	}
	return ""
}

func breaksLine(c rune) bool { return strings.ContainsRune("\n\v\f\r\u0085\u2028\u2029", c) }

// Shows reports whether a text has a visible character.
func Shows(s string) bool { return strings.ContainsFunc(s, visible) }

// visible reports whether a character shows something by itself. Spaces, marks, and characters that fonts leave out
// (Hangul fillers, the empty Braille pattern) do not.
func visible(c rune) bool {
	const emptyBraille = '\u2800'
	return unicode.In(c, unicode.L, unicode.N, unicode.P, unicode.S) && c != emptyBraille &&
		!unicode.In(c, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
