package store_test

import (
	"testing"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/contractstest"
)

// toldRight holds every event that a test made to its schema.
func toldRight(t *testing.T, db *gorm.DB) {
	t.Helper()
	t.Cleanup(func() {
		var payloads []string
		if err := db.Raw("SELECT payload FROM outbox ORDER BY seq").Scan(&payloads).Error; err != nil {
			t.Error(err)
		}
		contractstest.CheckEvents(t, "payment", payloads)
	})
}
