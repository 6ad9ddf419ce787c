package user_test

import (
	"strings"
	"testing"

	"daprmall.dev/services/user/internal/user"
)

func TestAnEmailHasOneForm(t *testing.T) {
	for raw, want := range map[string]string{
		" Wei@Mall.Example\n":                     "wei@mall.example",
		"müller@bücher.example":                   "müller@bücher.example",
		"wei@-mall.example":                       "",
		"wei@mall-.example":                       "",
		"wei@big-mall.example":                    "wei@big-mall.example",
		strings.Repeat("w", 64) + "@mall.example": strings.Repeat("w", 64) + "@mall.example",
		strings.Repeat("w", 65) + "@mall.example": "",
		"wei@mall":                      "",
		"Wei <wei@mall.example>":        "",
		"wei@mall.example\u202e":        "", // changes the direction of writing
		"we\u200bi@mall.example":        "", // a zero-width space
		"we\u00adi@mall.example":        "", // an invisible hyphen
		"wei@mall.example\x00":          "",
		"we\u2028i@mall.example":        "",
		"wei@mall.example, a@b.example": "",
	} {
		if got, ok := user.NormalEmail(raw); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", raw, got, ok, want)
		}
	}
}

// Nobody can sign up with an email to which no mail can be sent.
func TestEmailsMustBeDeliverable(t *testing.T) {
	weak := user.Weak(func(string, string) bool { return false })
	for email, want := range map[string]bool{"wei@mall.example": true, "wei@[127.0.0.1]": false} {
		if _, err := weak.CheckRegistration(email, "violet canyon 83"); (err == nil) != want {
			t.Errorf("%q: %v", email, err)
		}
	}
}
