//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// categories reads all categories, page by page.
func categories(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for token := ""; ; {
		var page struct {
			Items []struct {
				Path     string
				Products int
			}
			Next *string `json:"next_page_token"`
		}
		err := visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/categories?page_size=3"+token, nil, &page)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			all[c.Path] += c.Products
		}
		if page.Next == nil {
			return all
		}
		token = "&page_token=" + *page.Next
	}
}

// Categories are nested, one however their case is written, listed with what is on sale, and filter with all below.
func TestCategoriesAreListedAndFilter(t *testing.T) {
	top := "Hall " + apiclient.Key()[:8]
	paths := []string{top + "/Kitchen", top + " > kitchen > Knives", top}
	products := make([]apiclient.Product, len(paths))
	for i, path := range paths {
		p, err := seller.NewProduct(t.Context(), "Category probe", path, 100, 1)
		if err != nil {
			t.Fatal(err)
		}
		products[i] = p
	}
	want := func(when string, want map[string]int) {
		t.Helper()
		got := categories(t)
		maps.DeleteFunc(got, func(path string, _ int) bool { return len(path) < len(top) || path[:len(top)] != top })
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	want("three", map[string]int{top: 3, top + "/Kitchen": 2, top + "/Kitchen/Knives": 1})
	for category, n := range map[string]int{top: 3, top + "/KITCHEN": 2, top + " > kitchen > knives": 1, top + "/Kit": 0} {
		var list struct{ Total int }
		err := visitor.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products?category="+url.QueryEscape(category),
			nil, &list)
		if err != nil || list.Total != n {
			t.Errorf("%s: %d, %v; want %d", category, list.Total, err, n)
		}
	}
	if err := seller.Want(t.Context(), http.StatusNoContent, http.MethodDelete, "/v1/products/"+products[1].ID, nil,
		nil); err != nil {
		t.Fatal(err)
	}
	want("one removed", map[string]int{top: 2, top + "/Kitchen": 1})
}
