package postgrestest

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// Deadlocks counts the statements on db that PostgreSQL ended to resolve a deadlock (SQLSTATE 40P01). postgres.InTx
// repeats their transactions, so nothing else shows them but the time they take.
func Deadlocks(t testing.TB, db *gorm.DB) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	look := func(tx *gorm.DB) {
		var pg *pgconn.PgError
		if errors.As(tx.Error, &pg) && pg.Code == "40P01" {
			n.Add(1)
		}
	}
	on := db.Callback()
	for name, err := range map[string]error{
		"raw":    on.Raw().After("gorm:raw").Register("deadlocks:raw", look),
		"row":    on.Row().After("gorm:row").Register("deadlocks:row", look),
		"query":  on.Query().After("gorm:query").Register("deadlocks:query", look),
		"create": on.Create().After("gorm:create").Register("deadlocks:create", look),
	} {
		if err != nil {
			t.Fatalf("count deadlocks of %s: %v", name, err)
		}
	}
	return &n
}
