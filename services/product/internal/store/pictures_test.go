package store

import (
	"slices"
	"testing"

	"daprmall.dev/services/product/internal/catalog"
)

// Pictures come back as they were stored, in lists the first alone. A service of the version before writes only the
// address of the main picture, which then counts.
func TestPicturesAreStored(t *testing.T) {
	s := open(t)
	front, side := catalog.Picture{URL: "/front.svg", Alt: `"front" & 茶`}, catalog.Picture{URL: "/side.svg"}
	id := s.offer(t, 1)
	_, err := s.catalog.Change(ctx, id, seller, 1, catalog.Change{Pictures: &[]catalog.Picture{front, side}})
	must(t, err)
	want := func(when string, listed int, want ...catalog.Picture) {
		t.Helper()
		v, err := s.catalog.Get(ctx, id)
		must(t, err)
		page, err := s.catalog.Search(ctx, catalog.Query{PageSize: 1})
		must(t, err)
		offers, err := s.catalog.Offers(ctx, []string{id})
		must(t, err)
		if main := append(want, catalog.Picture{})[0].URL; len(offers) != 1 || offers[0].ImageURL != main {
			t.Errorf("%s: the offer is %+v, want the picture %q", when, offers, main)
		}
		if !slices.Equal(v.Pictures, want) || !slices.Equal(page.Items[0].Pictures, want[:listed]) {
			t.Errorf("%s: %v, in the list %v; want %v", when, v.Pictures, page.Items[0].Pictures, want)
		}
	}
	want("stored", 1, front, side)
	must(t, s.db.Exec("UPDATE products SET image_url = '/old.svg' WHERE id = ?::bigint", id).Error)
	want("changed by the version before", 1, catalog.Picture{URL: "/old.svg"}, side)
	must(t, s.db.Exec("UPDATE products SET image_url = '' WHERE id = ?::bigint", id).Error)
	want("removed by the version before", 0)
	must(t, s.db.Exec("UPDATE products SET image_url = '/old.svg', pictures = '[]' WHERE id = ?::bigint", id).Error)
	want("created by the version before", 1, catalog.Picture{URL: "/old.svg"})
}
