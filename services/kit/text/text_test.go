package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRules(t *testing.T) {
	name := Rule{Required: true, Most: 10}
	optional := Rule{Most: 10}
	several := Rule{Most: 20, Lines: true}
	for _, c := range []struct {
		rule Rule
		text string
		want string // a part of the message
	}{
		{name, "Teapot", ""},
		{name, "紫砂茶壶", ""},
		{name, "שלום", ""},
		{name, "☕", ""},
		{name, "👩‍🚀", ""}, // joined by U+200D
		{name, "می\u200cخواهم", ""},
		{name, "!", ""},
		{name, strings.Repeat("壶", 10), ""},
		{name, strings.Repeat("壶", 11), "at most 10"},
		{name, "", "empty"},
		{optional, "", ""},
		{name, " ", "visible"},
		{optional, "\u200b", "visible"},
		{name, "\u3164\u115f\uffa0", "visible"},
		{name, "\u2800", "visible"},
		{name, "\u00ad\ufe0f\u2060\ufeff", "visible"},
		{name, "\u0301", "visible"},
		{name, "a\nb", "one line"},
		{name, "a\u2028b", "one line"},
		{name, "a\u0085b", "one line"},
		{name, "a\tb", "control"},
		{name, "a\x1b[31m", "control"},
		{name, "a\x00", "control"},
		{name, "\u202egpj.exe", "direction"},
		{name, "\u2067a\u2069", "direction"},
		{name, "a\u200fb", "direction"},
		{several, "a\r\n\tb", ""},
		{several, "a\x07", "control"},
		{several, "\n\n", "visible"},
		{several, "\u202ea", "direction"},
		{name, "a\xff", "valid"},
	} {
		got := c.rule.Check("name", c.text)
		if c.want == "" && got != nil || c.want != "" && (len(got) != 1 || !strings.Contains(got[0].Message, c.want)) {
			t.Errorf("%+v, %q: %v, want %q", c.rule, c.text, got, c.want)
		}
	}
}

// Whatever is accepted is one visible line of the right length.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"a", "\u202e", "a\nb", "\u2800", "\xff", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if (Rule{Required: true, Most: 5}).Check("f", s) == nil &&
			(!utf8.ValidString(s) || utf8.RuneCountInString(s) > 5 || strings.TrimSpace(s) == "" ||
				strings.ContainsAny(s, "\n\r\x00\u202e\u2028")) {
			t.Errorf("%q is accepted", s)
		}
	})
}
