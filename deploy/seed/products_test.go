package main

import (
	"os"
	"path/filepath"
	"testing"
	"unicode"
)

// There are enough demo products, each with text in both languages and a picture of its own.
func TestDemoProductsAreComplete(t *testing.T) {
	categories, pictures := map[string]int{}, map[string]bool{}
	for _, d := range demos {
		categories[d.category]++
		if pictures[d.picture] {
			t.Errorf("%s: picture %s is used twice; seeding again recognises products by their pictures", d.name, d.picture)
		}
		pictures[d.picture] = true
		if _, err := os.Stat(filepath.Join("pictures", d.picture+".svg")); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		chinese, english := false, false
		for _, r := range d.name {
			chinese = chinese || unicode.Is(unicode.Han, r)
			english = english || r < 128 && unicode.IsLetter(r)
		}
		if !chinese || !english || d.price < 100 || d.stock < 0 {
			t.Errorf("%s: Chinese %v, English %v, price %d, stock %d", d.name, chinese, english, d.price, d.stock)
		}
	}
	for picture, others := range morePictures {
		for _, p := range append(others, picture) {
			if !pictures[p] {
				t.Errorf("there is no picture %s", p)
			}
		}
	}
	if len(demos) < 40 || len(categories) < 6 {
		t.Errorf("%d products in %d categories, want 40 in 6", len(demos), len(categories))
	}
}
