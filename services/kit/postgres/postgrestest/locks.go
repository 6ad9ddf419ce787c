package postgrestest

import (
	"testing"

	"gorm.io/gorm"
)

// AwaitLockWait returns as soon as a session in db's database waits for a lock. It does not look at other databases of
// the server, where other tests wait for theirs.
func AwaitLockWait(t testing.TB, db *gorm.DB) {
	t.Helper()
	for waits := false; !waits; {
		err := db.WithContext(t.Context()).Raw("SELECT EXISTS (SELECT 1 FROM pg_stat_activity " +
			"WHERE datname = current_database() AND wait_event_type = 'Lock') FROM pg_sleep(0.005)").Scan(&waits).Error
		if err != nil {
			t.Fatal("no session waits for a lock: ", err)
		}
	}
}
