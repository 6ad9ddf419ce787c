package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"cafe", "Café", "CAFE\u0301", "ＣＡＦＥ"},
		{"strasse", "Straße", "STRASSE", "STRAẞE"},
		{"naive", "naïve"},
		{"kobenhavn", "København"},
		{"lodz", "Łódź"},
		{"oeuvre", "Œuvre"},
		{"istanbul", "İstanbul", "ıstanbul"},
		{"file", "ﬁle"},
		{"елка", "Ёлка"},
		{"σοφοσ", "Σοφός"},
		{"שלום", "שָׁלוֹם"},
		{"محمد", "مُحَمَّد", "محـــمد"},
		{"احمد", "أحمد", "إحمد"},
		{"مكتبه", "مكتبة"},
		{"12", "١٢", "๑๒", "１２", "१२", "𝟏𝟐"},
		{"がらす", "ガラス", "ｶﾞﾗｽ"},
		{"ぷ", "プ", "ﾌﾟ"},
		{"中国制造", "中國製造"},
		{"头发", "頭髮"},
		{"紫砂茶壶", "紫砂茶壺"},
		{"softhyphen", "soft\u00adhyphen", "soft\u200bhyphen"},
		{"กำ", "กํา"},
	} {
		for _, s := range same {
			if got, want := fold(s), fold(same[0]); got != want {
				t.Errorf("%q folds to %q, %q to %q", s, got, same[0], want)
			}
		}
	}
	for _, other := range [][2]string{{"कि", "क"}, {"กา", "ก"}, {"か", "が"}, {"は", "ぱ"}} {
		if fold(other[0]) == fold(other[1]) {
			t.Errorf("%q and %q are different", other[0], other[1])
		}
	}
}

func TestSplit(t *testing.T) {
	for s, want := range map[string]string{
		"Running Shoes":     "running, shoes",
		"WH-1000XM4":        "wh+1000+xm+4",
		"O’Reilly's":        "o+reilly+s",
		"C++ and C#":        "c+plus+plus, and, c+sharp",
		"Disney+":           "disney+plus",
		"salt+pepper":       "salt, pepper",
		"C++11":             "c+plus+plus+11",
		"#8 screw":          "8, screw",
		"3.5mm, 1,000 ml":   "3, 5+mm, 1, 000, ml",
		"Node.js v1.2":      "node+js, v+1, 2",
		"AT&T, Johnson & C": "at+t, johnson, c",
		"紫砂茶壶 300ml":        "300+ml / 紫砂茶壶",
		"USB-C 充电器":         "usb+c / 充电器",
		"哈利·波特":             "/ 哈利波特",
		"ハリー・ポッター":          "/ はりーぽったー",
		"ราคาดี":            "/ ราคาดี",
		"-- x - y -":        "x, y",
		"Wi‑Fi":             "wi+fi",
		"!!!":               "",
	} {
		x := split(s)
		var words []string
		for _, w := range x.words {
			words = append(words, strings.Join(w, "+"))
		}
		got := strings.Join(words, ", ")
		for _, run := range x.runs {
			got = strings.TrimSpace(got + " / " + string(run))
		}
		if got != want {
			t.Errorf("%q is split into %q, want %q", s, got, want)
		}
	}
}

// Whatever a text is, its terms are lexemes that PostgreSQL accepts.
func FuzzTerms(f *testing.F) {
	for _, s := range []string{"WH-1000XM4", "a & b | !c:*", "'; drop", "\\", "ｶﾞ", "\xff", "שָׁלוֹם", "C++#+",
		"a'b’c״d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x := split(s)
		for _, w := range x.words {
			for _, part := range append(w.joinings(), w...) {
				check(t, s, part)
			}
		}
		for _, run := range x.runs {
			check(t, s, string(run[:1]))
		}
	})
}

func check(t *testing.T, s, term string) {
	t.Helper()
	if term == "" || utf8.RuneCountInString(term) > wordLength || strings.ContainsAny(term, "'\\ :*&|!()<>\x00") {
		t.Errorf("%q has the term %q", s, term)
	}
}
