package audit

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts"
)

// Drain counts the deliveries of events: how many are expected since a mark, and how many of them are pending, because
// the event has not been published or is not in a consumer's inbox.
type Drain struct {
	dbs   map[string]*sql.DB
	since map[string]int64 // producer → last seq at the mark
	from  time.Time        // by the databases' clock
}

// NewDrain opens the databases that take part.
func NewDrain(m running.Mall) (*Drain, error) {
	d := &Drain{dbs: map[string]*sql.DB{}, since: map[string]int64{}}
	for _, name := range slices.Concat(contracts.Producers(), contracts.Consumers()) {
		if d.dbs[name] != nil {
			continue
		}
		db, err := sql.Open("pgx", m.Databases[name])
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		db.SetConnMaxLifetime(0)
		d.dbs[name] = db
	}
	return d, nil
}

// Close ends the connections.
func (d *Drain) Close() {
	for _, db := range d.dbs {
		_ = db.Close()
	}
}

// Mark begins to count. Nothing may be under way.
func (d *Drain) Mark(ctx context.Context) error {
	for _, name := range contracts.Producers() {
		var seq int64
		if err := d.dbs[name].QueryRowContext(ctx, `SELECT coalesce(max(seq), 0), now() FROM outbox`).Scan(&seq,
			&d.from); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		d.since[name] = seq
	}
	return nil
}

// Pending returns how many deliveries are pending, of how many that are expected since the mark. A parked event counts
// as delivered.
func (d *Drain) Pending(ctx context.Context) (pending, expected int, err error) {
	sent := map[string]int{}
	for _, name := range contracts.Producers() {
		unpublished := 0
		err := count(ctx, d.dbs[name],
			`SELECT type, count(*), count(*) FILTER (WHERE published_at IS NULL OR pos IS NULL) FROM outbox WHERE seq > $1
				GROUP BY 1`,
			d.since[name], func(typ string, n, late int) { sent[typ] = n; unpublished += late })
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", name, err)
		}
		pending += unpublished
	}
	got := map[string]map[string]int{}
	for _, name := range contracts.Consumers() {
		got[name] = map[string]int{}
		err := count(ctx, d.dbs[name], `SELECT type, count(*), 0 FROM inbox WHERE received_at > $1 GROUP BY 1`, d.from,
			func(typ string, n, _ int) { got[name][typ] = n })
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, e := range contracts.Events() {
		for _, c := range e.Consumers {
			expected += sent[e.Type]
			pending += max(0, sent[e.Type]-got[c.Service][e.Type])
		}
	}
	return pending, expected, nil
}

// Wait returns when nothing is pending or the time is over.
func (d *Drain) Wait(ctx context.Context, timeout time.Duration) (pending, expected int, err error) {
	quiet := 0
	for deadline := time.Now().Add(timeout); ; {
		if pending, expected, err = d.Pending(ctx); err != nil {
			return pending, expected, err
		}
		// Services are asked one after the other, and an event may cause another one: so nothing must be pending twice.
		if quiet++; pending > 0 {
			quiet = 0
		}
		if quiet == 2 || time.Now().After(deadline) {
			return pending, expected, nil
		}
		select {
		case <-ctx.Done():
			return pending, expected, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Latencies returns how long after its commit each event since the mark reached a consumer through the broker, sorted.
func (d *Drain) Latencies(ctx context.Context) (took []time.Duration, err error) {
	sent := map[string]time.Time{}
	for _, name := range contracts.Producers() {
		if err := moments(ctx, d.dbs[name], "SELECT id, created_at FROM outbox WHERE seq > $1", d.since[name],
			func(id string, at time.Time) { sent[id] = at }); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range contracts.Consumers() {
		const pushed = "SELECT id, received_at FROM inbox WHERE received_at > $1 AND via = 'push'"
		if err := moments(ctx, d.dbs[name], pushed, d.from,
			func(id string, at time.Time) {
				if began, known := sent[id]; known {
					took = append(took, at.Sub(began))
				}
			}); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	slices.Sort(took)
	return took, nil
}

func moments(ctx context.Context, db *sql.DB, query string, arg any, row func(id string, at time.Time)) error {
	rows, err := db.QueryContext(ctx, query, arg)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	for rows.Next() {
		var id string
		var at time.Time
		if err := rows.Scan(&id, &at); err != nil {
			return err
		}
		row(id, at)
	}
	return rows.Err()
}

func count(ctx context.Context, db *sql.DB, query string, arg any, row func(typ string, n, late int)) error {
	rows, err := db.QueryContext(ctx, query, arg)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	for rows.Next() {
		var typ string
		var n, late int
		if err := rows.Scan(&typ, &n, &late); err != nil {
			return err
		}
		row(typ, n, late)
	}
	return rows.Err()
}
