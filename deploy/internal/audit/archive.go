package audit

import (
	"context"
	"database/sql"
	"fmt"
)

const ruleArchive = "nothing is both live and archived"

// archives are the live tables that have an archive, with their primary keys: both inherit from all_….
const archives = `SELECT l.relname, a.relname, (SELECT string_agg(quote_ident(attname), ', ') FROM pg_index
		JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey) WHERE indrelid = l.oid AND indisprimary)
	FROM pg_inherits i JOIN pg_class l ON l.oid = i.inhrelid JOIN pg_inherits j USING (inhparent) JOIN pg_class a
	ON a.oid = j.inhrelid
	WHERE a.relname = 'archived_' || l.relname ORDER BY 1`

// loadLiveAndArchived finds rows that are live and archived. No unique key of PostgreSQL spans both.
func (f *facts) loadLiveAndArchived(ctx context.Context, r *serviceDB) error {
	var all [][3]string
	err := r.each(ctx, archives, nil, func(rows *sql.Rows) error {
		var a [3]string
		err := rows.Scan(&a[0], &a[1], &a[2])
		all = append(all, a)
		return err
	})
	if err != nil {
		return err
	}
	var doubled []fault
	for _, a := range all {
		found, err := r.faults(ctx, ruleArchive, fmt.Sprintf(
			`SELECT '%[1]s ' || concat_ws(' ', %[3]s), 'it is in %[2]s too' FROM %[1]s JOIN %[2]s USING (%[3]s)`,
			a[0], a[1], a[2]), false)
		if err != nil {
			return err
		}
		doubled = append(doubled, found...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.liveAndArchived = append(f.liveAndArchived, doubled...)
	return nil
}
