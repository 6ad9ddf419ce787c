package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"daprmall.dev/services/product/internal/catalog"
)

func (s *fixture) categories(t *testing.T) string {
	t.Helper()
	tree, err := s.catalog.Categories(ctx, "", 1000)
	must(t, err)
	var all []string
	for _, c := range tree {
		all = append(all, fmt.Sprintf("%s %d", c.Path, c.Products))
	}
	return strings.Join(all, ", ")
}

// A category is found however its case is written, and with all below it.
func TestACategoryContainsWhatIsBelowIt(t *testing.T) {
	s := open(t)
	for name, category := range map[string]string{"knife": "Home/Kitchen/Knives", "spoon": "home > kitchen",
		"lamp": "HOME", "other": "Homeless", "zero": "Home0", "plain": "", "ﬁsh": "Straße / ﬁsh", "a/c": "℀"} {
		s.offerNamed(t, name, "", category, 100)
	}
	for category, want := range map[string][]string{
		"": {"a/c", "knife", "lamp", "other", "plain", "spoon", "zero", "ﬁsh"}, "home": {"knife", "lamp", "spoon"},
		"Home/Kitchen": {"knife", "spoon"}, "HOME > KITCHEN/": {"knife", "spoon"}, "home/kitchen/knives": {"knife"},
		"kitchen": nil, "Home/Kit": nil, "home0": {"zero"}, "strasse/FISH": {"ﬁsh"}, "℀": {"a/c"},
		"a": nil, "%": nil, "hom_": nil,
	} {
		for _, sort := range []catalog.Sort{catalog.Newest, catalog.PriceUp} {
			got := s.find(t, catalog.Query{Category: category, Sort: sort})
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%q by %s: %q, want %q", category, sort, got, want)
			}
		}
	}
}

// The counts follow every change of what is on sale, at once.
func TestCategoriesCountWhatIsOnSale(t *testing.T) {
	s := open(t)
	want := func(when, want string) {
		t.Helper()
		if got := s.categories(t); got != want {
			t.Errorf("%s: %s; want %s", when, got, want)
		}
	}
	want("nothing", "")
	knife := s.offerNamed(t, "knife", "", "Home > Kitchen", 100)
	s.offerNamed(t, "spoon", "", "home/kitchen", 100)
	s.offerNamed(t, "fork", "", "Home/Kitchen", 100)
	s.offerNamed(t, "plain", "", "", 100)
	want("three products", "Home 3, Home/Kitchen 3")
	tools := "Tools"
	_, err := s.catalog.Change(ctx, knife, seller, 1, catalog.Change{Category: &tools})
	must(t, err)
	want("moved", "Home 2, Home/Kitchen 2, Tools 1")
	must(t, s.catalog.Remove(ctx, knife, seller))
	want("removed", "Home 2, Home/Kitchen 2")
	s.stranger = seller.UserID
	must(t, s.catalog.ApplySeller(ctx, seller.UserID))
	want("its seller is banned", "")
	s.stranger = ""
	must(t, s.catalog.ApplySeller(ctx, seller.UserID))
	want("its seller is back", "Home 2, Home/Kitchen 2")
}

// A service of the version before writes products without the keys of their categories: the next round adds them. Its
// products are counted like others.
func TestCategoriesOfTheVersionBeforeAreIndexed(t *testing.T) {
	s := open(t)
	for id := range 2*indexBatch + 1 {
		must(t, s.db.Exec(`INSERT INTO products (id, seller_id, name, description, category, image_url, price, currency,
				version, search, created_at, updated_at)
			VALUES (?, 5, 'x', '', ?, '', 1, 'CNY', 1, '', now(), now())`, id+1, fmt.Sprintf("Old > Drawer %d", id)).Error)
		must(t, s.db.Exec("INSERT INTO stock VALUES (?, 1, 0, 1)", id+1).Error)
	}
	for _, want := range []bool{true, true, false, false} {
		if more, err := s.store.IndexCategories(ctx); err != nil || more != want {
			t.Fatalf("more %v, %v; want %v", more, err, want)
		}
	}
	q := catalog.Query{Category: "old", PageSize: 100}
	page, err := s.catalog.Search(ctx, q)
	must(t, err)
	if tree, err := s.catalog.Categories(ctx, "", 1); err != nil || page.Total != 2*indexBatch+1 ||
		len(tree) != 1 || tree[0] != (catalog.Category{Key: "old/", Path: "Old", Products: 2*indexBatch + 1}) {
		t.Errorf("found %d, %+v, %v", page.Total, tree, err)
	}
	must(t, s.db.Exec("UPDATE products SET deleted_at = now(), category = 'New' WHERE id > 1").Error)
	if got := s.categories(t); got != "Old 1, Old/Drawer 0 1" {
		t.Errorf("after removals: %s", got)
	}
}

// Sellers who move many products between the same categories at once do not deadlock, and nothing is lost.
func TestConcurrentChangesAreCounted(t *testing.T) {
	s := open(t)
	var ids []string
	for i := range 20 {
		ids = append(ids, s.offerNamed(t, "x", "", []string{"A", "B"}[i%2], 100))
	}
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			for round := range 10 {
				category := []string{"A", "B"}[(i+round+1)%2]
				_, err := s.catalog.Change(t.Context(), id, seller, int64(round+1), catalog.Change{Category: &category})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := s.categories(t); got != "A 10, B 10" {
		t.Errorf("%s", got)
	}
}
