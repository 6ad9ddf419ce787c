package store

import (
	"math"

	"gorm.io/gorm"
)

// MoveAll archives all finished orders in a transaction that it leaves open.
func MoveAll(tx *gorm.DB) error {
	_, err := orderArchive.MoveBatch(tx, math.MaxInt64)
	return err
}

// CountOpen is the part of a statement that counts a shopper's unpaid orders.
const CountOpen = countOpen
