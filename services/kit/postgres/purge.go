package postgres

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// purgeBatch is what one statement removes: few enough that its locks and its WAL hold nobody up.
const purgeBatch = 5000

// Purge is what a table forgets: rows whose time in Column is longer ago than Age, if Only holds for them. Column has an index.
type Purge struct {
	Table, Column string
	Only          string // "" for all
	Age           time.Duration
}

// SQL is the statement that removes the oldest rows, at most a batch of them. It finds them by the index, and passes over rows that
// another replica is removing.
func (p Purge) SQL() (statement string, args []any) {
	only := ""
	if p.Only != "" {
		only = " AND " + p.Only
	}
	return fmt.Sprintf(`DELETE FROM %[1]s WHERE ctid = ANY(ARRAY(SELECT ctid FROM %[1]s WHERE %[2]s < now() - make_interval(secs => ?)%[3]s
		ORDER BY %[2]s LIMIT %[4]d FOR UPDATE SKIP LOCKED))`, p.Table, p.Column, only, purgeBatch), []any{p.Age.Seconds()}
}

// Run removes all that is to be forgotten, a batch after the other, each in its own transaction.
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
