package catalog

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/text"
)

// Category is a category with products on sale, in it or below it.
type Category struct {
	Key      string // the same however the category is written
	Path     string // as most products write it
	Products int64
}

// Name is the last level of the path.
func (c Category) Name() string { return c.Path[strings.LastIndexByte(c.Path, '/')+1:] }

// WrittenCategory is how many products are in a category that is written like this.
type WrittenCategory struct {
	Key      string
	Path     string
	Products int64
}

// Bounds of a category; openapi.yaml has the same.
const (
	maxCategory = 255
	maxLevel    = 64
	maxLevels   = 8
)

var categoryRule = text.Rule{Most: maxCategory}

// between are the separators of levels: a slash, or as files of other shops have it, a > between spaces.
var between = regexp.MustCompile(`\s*/\s*|\s+>\s+`)

// CategoryLevels are the levels of a category from the top: "Home / Kitchen", "Home > Kitchen" and "/Home/Kitchen/" are
// Home and Kitchen.
func CategoryLevels(category string) []string {
	levels := between.Split(strings.TrimSpace(category), -1)
	return slices.DeleteFunc(levels, func(level string) bool { return level == "" })
}

// categoryPath is a category with a slash between its levels, as it is stored.
func categoryPath(category string) string { return strings.Join(CategoryLevels(category), "/") }

// checkCategory returns what is wrong with a category path.
func checkCategory(path string) []problem.Field {
	bad := categoryRule.Check("category", path)
	levels := strings.Split(path, "/")
	if len(levels) > maxLevels {
		bad = append(bad, problem.Field{Field: "category", Message: "must have at most 8 levels"})
	}
	if slices.ContainsFunc(levels, func(level string) bool { return utf8.RuneCountInString(level) > maxLevel }) {
		bad = append(bad, problem.Field{Field: "category", Message: "must have at most 64 characters in each level"})
	}
	if len(bad) == 0 && slices.ContainsFunc(levels, func(level string) bool { return level != "" && !text.Shows(level) }) {
		bad = append(bad, problem.Field{Field: "category", Message: "must contain something visible in each level"})
	}
	return bad
}

// CategoryTree adds up what is written, each category with all below it, ordered by key. Of several writings of a level
// that of the most products is shown.
func CategoryTree(written []WrittenCategory) []Category {
	type node struct {
		products int64
		writings map[string]int64 // of its last level
	}
	nodes := map[string]*node{}
	for _, w := range written {
		keys, end := strings.SplitAfter(w.Key, "/"), 0
		for i, level := range CategoryLevels(w.Path) {
			end += len(keys[i])
			n := nodes[w.Key[:end]]
			if n == nil {
				n = &node{writings: map[string]int64{}}
				nodes[w.Key[:end]] = n
			}
			n.products += w.Products
			n.writings[level] += w.Products
		}
	}
	tree, paths := make([]Category, 0, len(nodes)), map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(nodes)) { // a category comes before those below it
		n := nodes[key]
		name := slices.MinFunc(slices.Collect(maps.Keys(n.writings)), func(a, b string) int {
			return cmp.Or(cmp.Compare(n.writings[b], n.writings[a]), strings.Compare(a, b))
		})
		path := name
		if parent := strings.LastIndexByte(key[:len(key)-1], '/') + 1; parent > 0 {
			path = paths[key[:parent]] + "/" + name
		}
		paths[key] = path
		tree = append(tree, Category{Key: key, Path: path, Products: n.products})
	}
	return tree
}
