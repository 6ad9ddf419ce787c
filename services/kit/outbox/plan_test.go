package outbox

import (
	"slices"
	"testing"

	"daprmall.dev/services/kit/postgres/postgrestest"
)

// However many events there are, statements that run all the time read only the rows that they return or remove,
// through an index.
func TestALargeOutboxIsReadThroughItsIndexes(t *testing.T) {
	_, db, _ := open(t)
	err := db.Exec(`INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, pos, published_at, created_at)
		SELECT n, 't', 'y', n, 1, '{}', n, CASE WHEN n <= 99990 THEN now() END, now() - CASE
		WHEN n <= 30000 THEN interval '15 days' ELSE interval '1 hour' END
		FROM generate_series(1, 100000) n`).Error
	if err == nil {
		err = db.Exec("UPDATE outbox_head SET pos = 100000").Error
	}
	if err == nil {
		err = db.Exec("ANALYZE outbox, outbox_head").Error
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, statement string
		args            []any
		scans           []string
		rows            float64
	}{
		{"a page of the feed", page, []any{50000, 10, 500},
			[]string{"Index Scan outbox", "Index Scan outbox", "Seq Scan outbox_head"}, 502},
		{"what waits for the broker", "SELECT EXISTS (SELECT 1 FROM outbox WHERE " + publishable + ")", nil,
			[]string{"Index Scan outbox"}, 10},
		{"the events of an aggregate", ofKey, []any{"77", "t"}, []string{"Index Scan outbox"}, 2},
		{"retention", purgePiece, []any{retention.Seconds(), 0, purgeBatch},
			[]string{"Index Scan outbox", "Index Scan outbox", "Seq Scan outbox_head"}, 2*purgeBatch + 1},
	} {
		plan := postgrestest.Explain(t, db, c.statement, c.args...)
		if !slices.Equal(plan.Scans, c.scans) || plan.Rows > c.rows {
			t.Errorf("%s reads %v rows by %v; want up to %v by %v", c.what, plan.Rows, plan.Scans, c.rows, c.scans)
		}
	}
}
