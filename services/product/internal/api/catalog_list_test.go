package api

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A list shows the beginning of a long description, without cutting a character, and no longer than the limit.
func TestAListShowsExcerpts(t *testing.T) {
	words := strings.Repeat("teapot ", 60)
	for text, want := range map[string]string{
		"":                                  "",
		"Holds a litre.":                    "Holds a litre.",
		strings.Repeat("茶", maxExcerpt):     strings.Repeat("茶", maxExcerpt),
		strings.Repeat("茶", 10_000):         strings.Repeat("茶", maxExcerpt-1) + "…",
		words:                               strings.TrimSpace(words[:42*7]) + "…",
		"short " + strings.Repeat("x", 400): "short " + strings.Repeat("x", maxExcerpt-7) + "…",
	} {
		got := excerpt(text)
		if got != want || utf8.RuneCountInString(got) > maxExcerpt {
			t.Errorf("excerpt of %.40q (%d characters): %q, want %q", text, utf8.RuneCountInString(text), got, want)
		}
	}
}
