package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
)

func TestCategoriesHaveLevels(t *testing.T) {
	for written, want := range map[string]string{
		"": "", "kitchen": "kitchen", " Home/Kitchen ": "Home/Kitchen", "Home > Kitchen > Knives": "Home/Kitchen/Knives",
		"/Home//Kitchen/": "Home/Kitchen", "Home / Kitchen": "Home/Kitchen", "///": "", "A>B": "A>B", " > ": ">",
		"家居/厨房": "家居/厨房", "Home & Garden": "Home & Garden", "Home\u00a0> x": "Home\u00a0> x",
	} {
		if got := categoryPath(written); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
	deep := strings.Repeat("a/", 8)
	for written, ok := range map[string]bool{"": true, deep: true, deep + "b": false, strings.Repeat("茶", 64): true,
		strings.Repeat("茶", 65): false, "Home/\u200b": false,
		"\u2800/Home": false, "Home/\u200bTea": true, "Home/" + strings.Repeat("x", 65): false,
		strings.Repeat(strings.Repeat("x", 62)+"/", 4): true, strings.Repeat(strings.Repeat("x", 64)+"/", 4): false} {
		draft := teapot
		draft.Category = written
		if _, err := New("1", seller, draft, "CNY", noon); (err == nil) != ok || err != nil &&
			problem.KindOf(err) != problem.Invalid {
			t.Errorf("%.20q of %d bytes: %v", written, len(written), err)
		}
		if _, err := (Query{Category: written, PageSize: 20}).Normal(); (err == nil) != ok {
			t.Errorf("query for %.20q of %d bytes: %v", written, len(written), err)
		}
	}
}

// A category counts all below it, whoever writes it how; the writing of most products is shown.
func TestTheTreeOfCategories(t *testing.T) {
	tree := CategoryTree([]WrittenCategory{
		{"home/kitchen/knives/", "Home > Kitchen > Knives", 3},
		{"home/kitchen/", "HOME/Kitchen", 2},
		{"home/", "Home", 1},
		{"home 2/", "Home 2", 7},
		{"tea/", "tea", 2}, {"tea/", "Tea", 2},
	})
	var got []string
	for _, c := range tree {
		got = append(got, fmt.Sprintf("%s=%s %s %d", c.Key, c.Path, c.Name(), c.Products))
	}
	want := []string{"home 2/=Home 2 Home 2 7", "home/=Home Home 6", "home/kitchen/=Home/Kitchen Kitchen 5",
		"home/kitchen/knives/=Home/Kitchen/Knives Knives 3", "tea/=Tea Tea 4"}
	if !slices.Equal(got, want) {
		t.Errorf("the tree is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
