package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

func TestAddressesAreTheirOwners(t *testing.T) {
	s := store.New(postgrestest.Open(t, store.Migrations))
	ctx := t.Context()
	for i := range 3 {
		for range 2 { // a repeated request keeps one
			if _, err := s.Add(ctx, checkout.Address{ID: fmt.Sprint(i + 1), UserID: "7", Place: checkout.Place{City: "Wuhan", Country: "CN"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, find := s.Find(ctx, "8", "1")
	_, change := s.Change(ctx, checkout.Address{ID: "1", UserID: "8", Place: checkout.Place{City: "Stolen"}})
	remove := s.Remove(ctx, "8", "1")
	for name, err := range map[string]error{"find": find, "change": change, "remove": remove} {
		if problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s by a stranger: %v, want not found", name, err)
		}
	}
	if _, err := s.Change(ctx, checkout.Address{ID: "1", UserID: "7", Place: checkout.Place{City: "", Phone: "1"}}); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Find(ctx, "7", "1"); err != nil || a.Place.City != "" || a.Place.Country != "" || a.Place.Phone != "1" || a.UserID != "7" {
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

// The record commits with what surrounds it, and two runs of one key keep it once.
func TestRecordCommitsOrNothingIsHeld(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	s := store.New(db)
	total := int64(210)
	r := checkout.Record{OrderID: "100", UserID: "7", Items: []checkout.Item{{ProductID: "5", Quantity: 2}}, Place: checkout.Place{City: "武汉"}, FromCart: true, ExpectedTotal: &total}
	crash := errors.New("crash before commit")
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		if err := s.Keep(ctx, r); err != nil {
			return err
		}
		return crash
	})
	if !errors.Is(err, crash) {
		t.Fatal(err)
	}
	if got, err := s.Record(t.Context(), "100"); got != nil || err != nil {
		t.Errorf("after a crash: %+v, %v; want nothing", got, err)
	}
	for range 2 {
		if err := s.Keep(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Record(t.Context(), "100")
	if err != nil || got == nil || fmt.Sprint(got.Items, got.Place, got.FromCart, *got.ExpectedTotal) != fmt.Sprint(r.Items, r.Place, true, total) {
		t.Errorf("record %+v, %v; want %+v", got, err, r)
	}
}
