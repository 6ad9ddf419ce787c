package store

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// wordLength is where words are cut, in documents and queries alike: PostgreSQL refuses very long ones.
const wordLength = 40

// terms are the searchable parts of a text: words of letters and digits, and
// pieces of writing without spaces between words.
type terms struct {
	words []string
	runs  [][]rune
}

// split folds case, width and Latin accents (Ａ, é and E become a, e and e) and splits the text into terms.
func split(s string) terms {
	var t terms
	var word, run []rune
	flush := func() {
		if len(word) > 0 {
			t.words = append(t.words, string(word[:min(len(word), wordLength)]))
		}
		if len(run) > 0 {
			t.runs = append(t.runs, run)
		}
		word, run = nil, nil
	}
	for _, r := range fold(s) {
		switch {
		case spaceless(r):
			if len(word) > 0 {
				flush()
			}
			run = append(run, r)
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			if len(run) > 0 {
				flush()
			}
			word = append(word, r)
		default:
			flush()
		}
	}
	flush()
	return t
}

func fold(s string) string {
	decomposed := norm.NFKD.String(s)
	stripped := strings.Map(func(r rune) rune {
		if r >= 0x0300 && r <= 0x036f {
			return -1
		}
		return unicode.ToLower(r)
	}, decomposed)
	return norm.NFC.String(stripped)
}

// spaceless are the scripts that do not separate words by spaces.
func spaceless(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r == 'ー'
}

// document returns the text to index: the words, and of each run every character and every pair of neighbours. Pairs
// find 茶壶 in 紫砂茶壶; PostgreSQL's own trigrams would miss words of two characters.
func (t terms) document() string {
	var parts []string
	parts = append(parts, t.words...)
	for _, run := range t.runs {
		for i := range run {
			parts = append(parts, string(run[i]))
			if i+1 < len(run) {
				parts = append(parts, string(run[i:i+2]))
			}
		}
	}
	return strings.Join(parts, " ")
}

// english returns only the words: what English stemming applies to.
func (t terms) english() string { return strings.Join(t.words, " ") }

// stopWord reports whether a word is ignored in a query that has other words.
func stopWord(w string) bool {
	switch w {
	case "a",
		"an",
		"and",
		"are",
		"as",
		"at",
		"be",
		"by",
		"for",
		"from",
		"in",
		"is",
		"it",
		"my",
		"of",
		"on",
		"or",
		"our",
		"that",
		"the",
		"this",
		"to",
		"with",
		"your":
		return true
	}
	return false
}

// query returns the words and the pairs that a document must have, all of them.
func (t terms) query() (words, pairs []string) {
	for _, w := range t.words {
		if !stopWord(w) {
			words = append(words, w)
		}
	}
	for _, run := range t.runs {
		if len(run) == 1 {
			pairs = append(pairs, string(run))
		}
		for i := 0; i+1 < len(run); i++ {
			pairs = append(pairs, string(run[i:i+2]))
		}
	}
	if len(words)+len(pairs) == 0 {
		words = t.words
	}
	return words, pairs
}
