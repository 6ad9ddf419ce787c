package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts/orderv1"
)

const (
	mostEvents = 200_000
	ordersOf   = 200 // whose events are copied: as many keys
	perOrder   = "SELECT count(*) FROM outbox WHERE type = '" + orderv1.TypePlaced + "'"
)

// copyEvents writes n copies of orders' events into order's outbox, each with an id of its own.
const copyEvents = `WITH orders AS (
		SELECT *, row_number() OVER (ORDER BY seq DESC) - 1 AS i FROM outbox WHERE type = '` + orderv1.TypePlaced + `'
		ORDER BY seq DESC LIMIT $2
	), copies AS (SELECT i, gen_random_uuid()::text AS id FROM generate_series(1, $1) i)
	INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, traceparent)
	SELECT c.id, o.topic, o.type, o.key, o.aggregate_version,
		jsonb_set(o.payload::jsonb, '{id}', to_jsonb(c.id))::text, o.traceparent
	FROM copies c JOIN orders o ON o.i = c.i % (SELECT count(*) FROM orders)`

// events measures how many events a second the relay publishes and consumers handle when many wait. Consumers know the
// orders already, so that handling one is the inbox's work. The audit finds more events than orders afterwards.
func (l *load) events(ctx context.Context, m running.Mall, n int, say func(string, ...any)) error {
	ledger, err := sql.Open("pgx", m.Databases["order"])
	if err != nil {
		return err
	}
	defer ledger.Close() //nolint:errcheck // nothing is under way
	for have := 0; ; {
		if err := ledger.QueryRowContext(ctx, perOrder).Scan(&have); err != nil {
			return err
		}
		if have >= ordersOf {
			break
		}
		err := l.each(ctx, 16, func(ctx context.Context, _ int, s *shopper) error { return l.order(ctx, s) })
		if err != nil {
			return err
		}
	}
	if _, _, err := l.drain.Wait(ctx, drainFor); err != nil {
		return err
	}
	if err := l.drain.Mark(ctx); err != nil {
		return err
	}
	var seq int64
	if err := ledger.QueryRowContext(ctx, "SELECT max(seq) FROM outbox").Scan(&seq); err != nil {
		return err
	}
	before := used(l.pids)
	if _, err := ledger.ExecContext(ctx, copyEvents, n, ordersOf); err != nil {
		return fmt.Errorf("copy events: %w", err)
	}
	left, _, err := l.drain.Wait(ctx, 10*time.Minute)
	if err != nil || left > 0 {
		return fmt.Errorf("%d deliveries were not made: %w", left, err)
	}
	cost := used(l.pids).minus(before)
	rate, err := perSecond(ctx, ledger, "SELECT published_at AS at FROM outbox WHERE seq > $1", seq)
	if err != nil {
		return err
	}
	say("  relay of order     %6.0f events a second", rate)
	for _, name := range []string{"product", "cart", "payment"} {
		db, err := sql.Open("pgx", m.Databases[name])
		if err != nil {
			return err
		}
		rate, err = perSecond(ctx, db, `SELECT received_at AS at FROM inbox WHERE via = 'push'
			ORDER BY received_at DESC LIMIT $1`, n)
		_ = db.Close()
		if err != nil {
			return err
		}
		say("  %-8s handles   %6.0f events a second", name, rate)
	}
	say("  core-ms per event and all its consumers: %.2f\n      %s", cost.mall()/float64(n), cost.biggest(20, float64(n)))
	return nil
}

// perSecond is the rate of moments between the first tenth and the last: the beginning and the end are slower.
func perSecond(ctx context.Context, db *sql.DB, moments string, arg any) (rate float64, err error) {
	err = db.QueryRowContext(ctx, `WITH moments AS (`+moments+`), tenths AS (
			SELECT at, ntile(10) OVER (ORDER BY at) AS tenth FROM moments
		) SELECT count(*) / nullif(extract(epoch FROM max(at) - min(at)), 0) FROM tenths WHERE tenth BETWEEN 2 AND 9`,
		arg).Scan(&rate)
	return rate, err
}
