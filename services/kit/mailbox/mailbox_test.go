package mailbox

import (
	"slices"
	"testing"
)

func TestForms(t *testing.T) {
	books := []string{"wei@bücher.example", "wei@xn--bcher-kva.example"}
	for email, want := range map[string][]string{
		"wei@mall.example":              {"wei@mall.example"},
		"wei+a@big-mall.co.example":     {"wei+a@big-mall.co.example"},
		"müller@mall.example":           {"müller@mall.example"},
		"wei@bücher.example":            books,
		"wei@xn--bcher-kva.example":     books,
		"wei@bu\u0308cher.example":      books,
		"wei@Bücher.example":            books,
		"wei@ｂücher．example":            books,
		"wei@ｍａｌｌ.example":              {"wei@mall.example"},
		"wei@mall。example":              {"wei@mall.example"},
		"ｗｅｉ@mall.example":              nil,
		"mu\u0308ller@mall.example":     nil,
		"wei@xn--zzzzzzzz.example":      nil,
		"wei@mall\u200b.example":        {"wei@mall.example"},
		"wei@" + "a.\u05d0b1.example":   nil,
		"wei@straße.example":            {"wei@straße.example", "wei@xn--strae-oqa.example"},
		"wei@mall..example":             nil,
		"nobody":                        nil,
		"wei@foo_bar.example":           {"wei@foo_bar.example"},
		"李@例子.example":                  {"李@例子.example", "李@xn--fsqu00a.example"},
		"wei@ma\u00adll.example":        {"wei@mall.example"},
		"wei@\u0441\u043e\u043c.exampl": {"wei@сом.exampl", "wei@xn--l1adi.exampl"},
	} {
		if got := Forms(email); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", email, got, want)
		}
	}
}
