package archive

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
)

// Log is a live table whose rows are written once and never changed. What they mean must not depend on old rows being
// live.
type Log struct {
	Name, At string // the table, and its indexed column with the time a row was written
}

const logBatch = 10 * batch

// Run archives rows older than age in batches, oldest first.
func (l Log) Run(ctx context.Context, db *gorm.DB, age time.Duration) error {
	rows := fmt.Sprintf(move, l.Name, fmt.Sprintf(
		"ctid = ANY(ARRAY(SELECT ctid FROM %s WHERE %s < now() - make_interval(secs => ?) ORDER BY %s LIMIT %d))",
		l.Name, l.At, l.At, logBatch), "archived_"+l.Name)
	for {
		n := int64(0)
		err := postgres.InTx(ctx, db, func(_ context.Context, tx *gorm.DB) error {
			n = 0
			if alone, err := tryLockExclusive(tx); err != nil || !alone {
				return err
			}
			res := tx.Exec(rows, max(age, MinAge).Seconds())
			n = res.RowsAffected
			return res.Error
		})
		if err != nil {
			return fmt.Errorf("archive %s: %w", l.Name, err)
		}
		archived.Add(float64(n))
		if n < logBatch {
			return nil
		}
	}
}
