package audit

import (
	"context"
	"database/sql"
	"math"
)

type event struct {
	key string
	age float64
}

func (r *serviceDB) eventIDs(ctx context.Context, table, clock, typ string, prefixes []string) (map[string]event,
	error) {
	out := map[string]event{}
	err := r.each(ctx, `SELECT id, key, extract(epoch FROM clock_timestamp() - `+clock+`) FROM `+table+
		` WHERE type = $1 AND left(id, 8) = ANY($2)`,
		[]any{typ, prefixes}, func(rows *sql.Rows) error {
			var id string
			var e event
			err := rows.Scan(&id, &e.key, &e.age)
			out[id] = e
			return err
		})
	return out, err
}

// purgedBefore is the age beyond which a producer's outbox is not complete: retention has been there.
func (r *serviceDB) purgedBefore(ctx context.Context) (float64, error) {
	age := math.Inf(1)
	err := r.each(ctx, `SELECT extract(epoch FROM clock_timestamp() - coalesce(min(created_at), now())) FROM outbox
		HAVING (SELECT purged_through FROM outbox_head) > 0`,
		nil, func(rows *sql.Rows) error { return rows.Scan(&age) })
	return age, err
}

// checkOutbox finds events that have not been published or have no position, and gaps in the feed.
func (f *facts) checkOutbox(ctx context.Context, b *Book, r *serviceDB) error {
	err := r.each(ctx, `SELECT id, type, key, pos IS NULL, published_at IS NULL, attempts, extract(epoch
		FROM clock_timestamp() - created_at)
		FROM outbox WHERE pos IS NULL OR published_at IS NULL`, nil, func(rows *sql.Rows) error {
		var id, typ, key string
		var unnumbered, unpublished bool
		var attempts int
		var age float64
		if err := rows.Scan(&id, &typ, &key, &unnumbered, &unpublished, &attempts, &age); err != nil {
			return err
		}
		l := Violation
		if age < publishedWithin {
			l = InFlight
		}
		if unnumbered {
			b.add(l, ruleRelayed, "event "+id, "%s of %s has no position in %s's feed after %.0f s", typ, key, r.name, age)
		}
		if unpublished {
			b.add(l, ruleRelayed, "event "+id, "%s of %s: the broker has not accepted it after %.0f s and %d tries", typ, key,
				age, attempts)
		}
		return nil
	})
	if err != nil {
		return err
	}
	gaps, err := r.faults(ctx,
		ruleFeed, `SELECT 'feed', format('it ends at %s; %s events are numbered, the last %s', h.pos, o.n, o.last)
		FROM outbox_head h, (SELECT count(pos) AS n, coalesce(max(pos), 0) AS last FROM outbox) o
		WHERE CASE WHEN h.purged_through > 0 THEN o.last > h.pos ELSE o.last <> h.pos OR o.n <> h.pos END`, false)
	for i := range gaps {
		gaps[i].subject = r.name + "'s feed"
	}
	b.report(gaps)
	return err
}

// maxTries is how often a parked event is tried (about ten minutes) before the audit stops waiting for it. An event
// that cannot be read is never waited for.
const maxTries = 10

func (f *facts) listParked(ctx context.Context, b *Book, r *serviceDB) error {
	parked, dropped := 0, 0
	err := r.each(ctx, `SELECT id, type, key, status, reason, attempts, extract(epoch FROM clock_timestamp() - received_at)
		FROM inbox WHERE status <> 'done'`, nil, func(rows *sql.Rows) error {
		var id, typ, key, status, reason string
		var attempts int
		var age float64
		if err := rows.Scan(&id, &typ, &key, &status, &reason, &attempts, &age); err != nil {
			return err
		}
		if reason == "" {
			b.add(Violation, ruleParked, "event "+id, "%s of %s is %s by %s without a reason", typ, key, status, r.name)
			return nil
		}
		if status == "dropped" {
			dropped++
			return nil
		}
		parked++
		b.add(Parked, ruleParked, "event "+id, "%s of %s is parked by %s for %.0f s after %d tries: %.200s", typ, key, r.name,
			age, attempts, reason)
		b.Findings[len(b.Findings)-1].mayResolve = typ != "" && attempts < maxTries
		return nil
	})
	if parked+dropped > 0 {
		b.look("%s: %d events parked with a reason, %d dropped by hand", r.name, parked, dropped)
	}
	return err
}
