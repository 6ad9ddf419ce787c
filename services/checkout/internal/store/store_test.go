package store_test

import (
	"fmt"
	"testing"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

func TestAddressesAreVisibleOnlyToTheirOwners(t *testing.T) {
	s := store.New(postgrestest.Open(t, store.Migrations))
	ctx := t.Context()
	for i := range 3 {
		for range 2 { // a repeated request stores one address
			if _, err := s.Add(ctx, checkout.Address{ID: fmt.Sprint(i + 1), UserID: "7",
				PostalAddress: checkout.PostalAddress{City: "Wuhan", Country: "CN"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, find := s.Find(ctx, "8", "1")
	_, change := s.Change(ctx, checkout.Address{ID: "1", UserID: "8",
		PostalAddress: checkout.PostalAddress{City: "Stolen"}})
	remove := s.Remove(ctx, "8", "1")
	for name, err := range map[string]error{"find": find, "change": change, "remove": remove} {
		if problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s by another user: %v, want not found", name, err)
		}
	}
	if _, err := s.Change(ctx, checkout.Address{ID: "1", UserID: "7",
		PostalAddress: checkout.PostalAddress{City: "", Phone: "1"}}); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Find(ctx, "7", "1"); err != nil || a.PostalAddress.City != "" || a.PostalAddress.Country != "" ||
		a.PostalAddress.Phone != "1" || a.UserID != "7" {
		t.Errorf("after a change to empty fields: %+v, %v", a, err)
	}
	if err := s.Remove(ctx, "7", "2"); err != nil {
		t.Fatal(err)
	}
	if again := s.Remove(ctx, "7", "2"); problem.KindOf(again) != problem.NotFound {
		t.Errorf("remove twice: %v, want not found", again)
	}
	list, err := s.List(ctx, "7", "", 10)
	if err != nil || len(list) != 2 || list[0].ID != "3" || list[1].ID != "1" {
		t.Errorf("list %+v, %v; want 3 and 1", list, err)
	}
	if list, err = s.List(ctx, "7", "3", 10); err != nil || len(list) != 1 {
		t.Errorf("second page %+v, %v; want 1", list, err)
	}
}
