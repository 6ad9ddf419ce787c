package postgres

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// purgeBatch is how many rows one statement removes: few enough that its locks and WAL delay nobody.
const purgeBatch = 5000

// Purge removes old rows of a table: those whose time in Column is longer ago than Age and for which Only holds. Column
// has an index.
type Purge struct {
	Table, Column string
	Only          string // "" for all
	Age           time.Duration
}

// SQL is the statement that removes a batch of the oldest rows. It finds them by the index, and skips rows that another
// replica is removing.
func (p Purge) SQL() (statement string, args []any) {
	only := ""
	if p.Only != "" {
		only = " AND " + p.Only
	}
	return fmt.Sprintf(`DELETE FROM %[1]s WHERE ctid = ANY(ARRAY(SELECT ctid FROM %[1]s
		WHERE %[2]s < now() - make_interval(secs => ?)%[3]s
		ORDER BY %[2]s LIMIT %[4]d FOR UPDATE SKIP LOCKED))`, p.Table, p.Column, only, purgeBatch), []any{p.Age.Seconds()}
}

// Run removes all such rows in batches, each in its own transaction.
func (p Purge) Run(ctx context.Context, db *gorm.DB) error {
	for {
		statement, args := p.SQL()
		res := db.WithContext(ctx).Exec(statement, args...)
		if res.Error != nil {
			return fmt.Errorf("purge %s: %w", p.Table, res.Error)
		}
		if res.RowsAffected < purgeBatch {
			return nil
		}
	}
}
