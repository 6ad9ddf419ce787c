package store

import (
	"strings"
	"sync"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
)

func withSKU(sku string, price int64) catalog.CreateParams {
	return catalog.CreateParams{SKU: sku, Name: "Teapot", Price: price, Stock: 3}
}

// put puts a product and fails the test if that is refused.
func (s *fixture) put(t *testing.T, by catalog.Actor, d catalog.CreateParams) (catalog.View, bool) {
	t.Helper()
	v, created, err := s.catalog.PutBySKU(ctx, by, catalog.Put{Params: d})
	must(t, err)
	return v, created
}

// A seller has one product with a sku. Other sellers may have the same one, and a removed product frees its own.
func TestASKUBelongsToOneProductOfASeller(t *testing.T) {
	s := open(t)
	other := catalog.Actor{UserID: "6", Seller: true}
	first, _ := s.put(t, seller, withSKU("T-1", 100))
	s.put(t, other, withSKU("T-1", 100))
	_, err := s.catalog.Create(ctx, "900", seller, withSKU(" T-1 ", 200))
	if problem.CodeOf(err) != "sku_taken" || !strings.Contains(err.Error(), first.ID) {
		t.Errorf("a second product with the sku: %v, want sku_taken that names %s", err, first.ID)
	}
	plain, err := s.catalog.Create(ctx, "901", seller, withSKU("", 200))
	must(t, err)
	sku := "T-1"
	_, err = s.catalog.Change(ctx, plain.ID, seller, 1, catalog.Change{SKU: &sku})
	if problem.CodeOf(err) != "sku_taken" || !strings.Contains(err.Error(), first.ID) {
		t.Errorf("a change to the sku: %v, want sku_taken that names %s", err, first.ID)
	}
	must(t, s.catalog.Remove(ctx, first.ID, seller))
	if _, err := s.catalog.GetBySKU(ctx, seller, "T-1"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("the sku of a removed product: %v, want not found", err)
	}
	changed, err := s.catalog.Change(ctx, plain.ID, seller, 1, catalog.Change{SKU: &sku})
	if err != nil || changed.SKU != "T-1" {
		t.Errorf("a change to the freed sku: %+v, %v", changed, err)
	}
	none := ""
	if changed, err = s.catalog.Change(ctx, plain.ID, seller, 2, catalog.Change{SKU: &none}); err != nil ||
		changed.SKU != "" {
		t.Errorf("a change to no sku: %+v, %v", changed, err)
	}
	if found, err := s.catalog.List(ctx, catalog.ListFilter{SellerID: "5", SKU: "T-1", Limit: 10}); err != nil ||
		len(found) != 0 {
		t.Errorf("an admin finds %+v, %v, want nothing", found, err)
	}
}

// A put creates the product or replaces it, changes nothing if it is as it shall be, and leaves its stock alone.
func TestAPutCreatesOrReplaces(t *testing.T) {
	s := open(t)
	made, created := s.put(t, seller, withSKU("T-1", 100))
	same, again := s.put(t, seller, withSKU("T-1", 100))
	if !created || again || same.ID != made.ID || same.Version != 1 {
		t.Errorf("created %v, then %v as %+v, want one product of version 1", created, again, same)
	}
	d := withSKU("T-1", 250)
	d.Stock, d.Category = 99, "kitchen"
	replaced, again := s.put(t, seller, d)
	if again || replaced.ID != made.ID || replaced.Version != 2 || replaced.Price.Amount != 250 ||
		replaced.Category != "kitchen" {
		t.Errorf("replaced %+v", replaced)
	}
	s.wantStock(t, made.ID, 3, 0)
	for version, want := range map[int64]problem.Kind{1: problem.PreconditionFailed, 2: ""} {
		_, _, err := s.catalog.PutBySKU(ctx, seller, catalog.Put{Params: d, Version: &version})
		if problem.KindOf(err) != want {
			t.Errorf("If-Match %d: %v, want kind %q", version, err, want)
		}
	}
	version := int64(1)
	_, _, err := s.catalog.PutBySKU(ctx, seller, catalog.Put{Params: withSKU("T-2", 1), Version: &version})
	if problem.KindOf(err) != problem.PreconditionFailed {
		t.Errorf("If-Match without a product: %v", err)
	}
	for sku, d := range map[string]catalog.CreateParams{"": withSKU("", 1), "long": withSKU(strings.Repeat("x", 101), 1),
		"a negative price": withSKU("T-1", -1), "invisible": withSKU("\u200b", 1)} {
		if _, _, err := s.catalog.PutBySKU(ctx, seller, catalog.Put{Params: d}); problem.KindOf(err) !=
			problem.Invalid {
			t.Errorf("%q: %v, want invalid", sku, err)
		}
	}
}

// Puts of one sku at the same moment make one product.
func TestConcurrentPutsMakeOneProduct(t *testing.T) {
	s := open(t)
	const puts = 16
	ids, created := make([]string, puts), make([]bool, puts)
	var all sync.WaitGroup
	for i := range puts {
		all.Go(func() {
			v, made, err := s.catalog.PutBySKU(ctx, seller,
				catalog.Put{Params: withSKU("T-1", int64(100+i%2))})
			if err != nil {
				t.Error(err)
			}
			ids[i], created[i] = v.ID, made
		})
	}
	all.Wait()
	made := 0
	for i := range puts {
		if created[i] {
			made++
		}
		if ids[i] != ids[0] {
			t.Errorf("products %s and %s", ids[0], ids[i])
		}
	}
	if made != 1 {
		t.Errorf("%d puts say that they created the product, want 1", made)
	}
	s.wantStock(t, ids[0], 3, 0)
}
