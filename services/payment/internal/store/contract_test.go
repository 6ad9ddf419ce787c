package store_test

import (
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/contractstest"
)

// checkEventsAtEnd checks every event of a test against its schema.
func checkEventsAtEnd(t *testing.T, db *gorm.DB) {
	t.Helper()
	t.Cleanup(func() {
		var payloads []string
		if err := db.Raw("SELECT payload FROM outbox ORDER BY seq").Scan(&payloads).Error; err != nil {
			t.Error(err)
		}
		contractstest.CheckEvents(t, "payment", payloads)
	})
}
