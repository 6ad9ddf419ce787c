package tokenizer

import (
	_ "embed"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// fold makes texts equal that shoppers take for the same:
//
//   - case, full case folding (ß is ss), width (Ａ, ｶﾞ), ligatures, superscripts: Unicode's NFKC and case folding
//   - accents of Latin, Greek and Cyrillic letters (é, ё), letters with a stroke (ø, ł), æ, œ
//   - points of Hebrew and vowel signs of Arabic, the stretched Arabic letter, variants of alef, yeh and kaf
//   - traditional and simplified Chinese characters, katakana and hiragana
//   - digits of all scripts
//   - invisible characters (soft hyphen, joiners) vanish
//
// Vowel signs of Indic and South-East Asian scripts stay: they are letters of their own.
func fold(s string) string {
	s = norm.NFKD.String(accentsAsQuotes.Replace(s))
	var out strings.Builder
	out.Grow(len(s))
	for _, r := range s {
		switch {
		case unicode.In(r, vanishing...):
		case unicode.Is(unicode.Nd, r):
			out.WriteByte(digit(r))
		default:
			if same, ok := letters[r]; ok {
				out.WriteString(same)
			} else {
				out.WriteRune(r)
			}
		}
	}
	return norm.NFC.String(cases.Fold().String(out.String()))
}

// accentsAsQuotes: people type an accent that stands alone instead of an apostrophe. NFKD would make it a space.
var accentsAsQuotes = strings.NewReplacer("´", "'", "`", "'")

// vanishing are marks that do not tell two words apart, and characters without a shape.
var vanishing = []*unicode.RangeTable{
	unicode.Cf, // format characters
	{R16: []unicode.Range16{
		{Lo: 0x0300, Hi: 0x036f, Stride: 1}, // combining diacritical marks
		{Lo: 0x0591, Hi: 0x05bd, Stride: 1}, // Hebrew points; 0x05be is a hyphen
		{Lo: 0x05bf, Hi: 0x05bf, Stride: 1},
		{Lo: 0x05c1, Hi: 0x05c2, Stride: 1},
		{Lo: 0x05c4, Hi: 0x05c5, Stride: 1},
		{Lo: 0x05c7, Hi: 0x05c7, Stride: 1},
		{Lo: 0x0610, Hi: 0x061a, Stride: 1}, // Arabic marks
		{Lo: 0x0640, Hi: 0x0640, Stride: 1}, // tatweel
		{Lo: 0x064b, Hi: 0x065f, Stride: 1},
		{Lo: 0x0670, Hi: 0x0670, Stride: 1},
		{Lo: 0x06d6, Hi: 0x06dc, Stride: 1},
		{Lo: 0x06df, Hi: 0x06e4, Stride: 1},
		{Lo: 0x06e7, Hi: 0x06e8, Stride: 1},
		{Lo: 0x06ea, Hi: 0x06ed, Stride: 1},
		{Lo: 0x1ab0, Hi: 0x1aff, Stride: 1}, // more diacritical marks
		{Lo: 0x1dc0, Hi: 0x1dff, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, // variation selectors
	}},
}

// digit returns a decimal digit of any script as an ASCII digit. Unicode keeps the ten digits of a script together.
func digit(r rune) byte {
	for _, span := range unicode.Nd.R16 {
		if rune(span.Lo) <= r && r <= rune(span.Hi) {
			return '0' + byte((r-rune(span.Lo))%10)
		}
	}
	for _, span := range unicode.Nd.R32 {
		if rune(span.Lo) <= r && r <= rune(span.Hi) {
			return '0' + byte((r-rune(span.Lo))%10)
		}
	}
	return '0'
}

// letters are those that folding maps and Unicode does not.
var letters = func() map[rune]string {
	m := map[rune]string{
		'ø': "o", 'Ø': "o", 'ł': "l", 'Ł': "l", 'đ': "d", 'Đ': "d", 'ħ': "h", 'Ħ': "h", 'ŧ': "t", 'Ŧ': "t",
		'ð': "d", 'Ð': "d", 'þ': "th", 'Þ': "th", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ı': "i",
		'ى': "ي", 'ی': "ي", 'ک': "ك", 'ة': "ه", 'ٱ': "ا",
	}
	for r := 'ァ'; r <= 'ヶ'; r++ {
		m[r] = string(r - 'ァ' + 'ぁ')
	}
	from, to, _ := strings.Cut(strings.TrimSpace(simplified), "\n")
	simple := []rune(to)
	for i, r := range []rune(from) {
		m[r] = string(simple[i])
	}
	return m
}()

// simplified is a line of traditional Chinese characters and a line of their simplified forms, from OpenCC's dictionary
// (Apache-2.0). go test ./services/product/internal/tokenizer -update writes it.
//
//go:embed simplified.txt
var simplified string
