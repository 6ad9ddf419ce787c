package store

import (
	"slices"
	"testing"

	"daprmall.dev/services/kit/postgres/postgrestest"
)

// However many addresses there are, Forget reads only those that were removed long ago.
func TestForgetReadsOnlyWhatItRemoves(t *testing.T) {
	db := postgrestest.Open(t, Migrations)
	err := db.Exec(`INSERT INTO addresses (id, user_id, recipient, phone, street, city, state, country, postal_code,
		removed_at)
		SELECT n, n % 1000, '', '', '', '', '', 'CN', '', CASE WHEN n <= 100 THEN now() - interval '73 hours'
		WHEN n <= 200 THEN now() END
		FROM generate_series(1, 50000) n`).Error
	if err == nil {
		err = db.Exec("ANALYZE addresses").Error
	}
	if err != nil {
		t.Fatal(err)
	}
	statement, args := removedLongAgo.SQL()
	plan := postgrestest.Explain(t, db, statement, args...)
	if !slices.Equal(plan.Scans, []string{"Index Scan addresses", "Tid Scan addresses"}) || plan.Rows > 200 {
		t.Errorf("it reads %v rows by %v; want the 100 at most twice, by the index", plan.Rows, plan.Scans)
	}
	if err := New(db).PurgeRemoved(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.Raw("SELECT count(*) FROM addresses").Scan(&left).Error; err != nil || left != 49900 {
		t.Errorf("%d are left, %v; want 49,900", left, err)
	}
}
