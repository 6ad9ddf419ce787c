package store_test

import (
	"testing"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// With many addresses, no statement reads all of them.
func TestNoStatementReadsAllAddresses(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	err := db.Exec(`INSERT INTO addresses (id, user_id, recipient, phone, street, city, state, country, postal_code,
		removed_at)
		SELECT i, i / 3, 'Li', '', '1 Road', 'Wuhan', 'Hubei', 'CN', '430000', CASE WHEN i % 5 = 0 THEN now() END
		FROM generate_series(1000, 999 + ?) i`, postgrestest.Rows(t)).Error
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("ANALYZE").Error; err != nil {
		t.Fatal(err)
	}
	watched := postgrestest.Watch(db)
	s, ctx := store.New(watched.DB), t.Context()
	a := checkout.Address{ID: "1", UserID: "7", PostalAddress: checkout.PostalAddress{City: "Wuhan", Country: "CN"}}
	_, add := s.Add(ctx, a)
	_, find := s.Find(ctx, "7", "1")
	_, list := s.List(ctx, "1000", "3001", 20)
	_, change := s.Change(ctx, a)
	remove := s.Remove(ctx, "7", "1")
	for what, err := range map[string]error{"add": add, "find": find, "list": list, "change": change, "remove": remove,
		"remove all": s.RemoveAll(ctx, "1000"), "forget": s.PurgeRemoved(ctx)} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, found := range watched.WholeTables(t, "addresses") {
		t.Errorf("a statement reads all of %s", found)
	}
}
