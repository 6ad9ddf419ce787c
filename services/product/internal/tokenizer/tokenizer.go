// Package tokenizer makes searchable terms of texts and of shoppers' queries, by the same rules: what folds (see fold),
// what is a word, and how texts without spaces are found.
//
// Writing that puts no spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) is a run: it is
// found by pairs of neighbouring characters, so a query finds any part of it.
//
// Everything else is words. Hyphens, apostrophes and changes between letters and digits join parts to one word, which
// is found with and without them: WH-1000XM4 by WH1000XM4, "WH 1000 XM4" and 1000XM4. A + or # at the end of a word
// belongs to it: C++, C#.
package tokenizer

import (
	"strings"
	"unicode"
)

const (
	// wordLength is where words are cut, in texts and queries alike. PostgreSQL refuses words of more than 2 kB.
	wordLength = 40
	// joined is how many parts of a word are joined at most.
	joined = 4
)

// word is one or several parts: wi-fi has two, x100v three.
type word []string

// text is what a text consists of.
type text struct {
	words []word
	runs  [][]rune
}

// split folds a text and takes it apart.
func split(s string) text {
	var t text
	var now word     // the word being read, with all its parts but the last
	var part []rune  // its last part
	var run []rune   // the run being read
	var glued []rune // joiners since
	endPart := func() {
		if len(part) > 0 {
			now = append(now, string(part[:min(len(part), wordLength)]))
		}
		part = nil
	}
	end := func() {
		endPart()
		if len(now) > 0 {
			t.words = append(t.words, now)
		}
		if len(run) > 0 {
			t.runs = append(t.runs, run)
		}
		now, run, glued = nil, nil, nil
	}
	runes := []rune(fold(s))
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		inWord := len(now)+len(part) > 0
		switch {
		case spaceless(r):
			if inWord {
				end()
			}
			run, glued = append(run, r), nil
		case letter(r) || unicode.IsNumber(r):
			if len(run) > 0 {
				end()
			}
			if len(part) > 0 && (len(glued) > 0 || letter(r) != letter(part[len(part)-1])) {
				endPart()
			}
			part, glued = append(part, r), nil
		case inWord && (r == '+' || r == '#'):
			signs := suffix(runes[i:])
			if signs == nil {
				end()
				continue
			}
			endPart()
			now = append(now, signs...)
			i += len(signs) - 1
		case joins(r, glued, runes, i):
			glued = append(glued, r)
		default:
			end()
		}
	}
	end()
	return t
}

// spaceless reports whether a script puts no spaces between words.
func spaceless(r rune) bool {
	return r == 'ー' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan) && !unicode.IsPunct(r)
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// joins reports whether a character between two others joins them to one word or run.
func joins(r rune, before []rune, text []rune, i int) bool {
	if len(before) > 0 || i == 0 || i+1 == len(text) {
		return false
	}
	prev, next := text[i-1], text[i+1]
	switch r {
	case '\'', '’', '‘', 'ʼ', '׳', '״', '-', '‐', '־', '_', '·', '・':
		return true
	case '.', '&':
		return letter(prev) && letter(next)
	}
	return false
}

// suffix returns the names of the signs at the end of a word: C++, C#, Disney+. It returns nil if they stand between
// two words.
func suffix(text []rune) []string {
	var signs []string
	for _, r := range text {
		switch r {
		case '+':
			signs = append(signs, "plus")
			continue
		case '#':
			signs = append(signs, "sharp")
			continue
		}
		break
	}
	if n := len(signs); n == 1 && n < len(text) && letter(text[n]) {
		return nil
	}
	return signs
}

// joinings returns the forms of a word in which neighbouring parts are written together.
func (w word) joinings() []string {
	var all []string
	for i := range w {
		for j := i + 2; j <= min(len(w), i+joined); j++ {
			all = append(all, cut(strings.Join(w[i:j], "")))
		}
	}
	return all
}

// together returns a word with all parts written together, "" if there are too many.
func (w word) together() string {
	if len(w) > joined {
		return ""
	}
	return cut(strings.Join(w, ""))
}

func cut(s string) string {
	if r := []rune(s); len(r) > wordLength {
		return string(r[:wordLength])
	}
	return s
}
