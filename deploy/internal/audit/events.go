package audit

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"daprmall.dev/services/contracts"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/contracts/stockv1"
)

const (
	ruleOutbox   = "every transition has one outbox row"
	ruleRelayed  = "every event is numbered and published"
	ruleFeed     = "the feed has no gap"
	ruleReceived = "every consumer has every event it handles"
	ruleInvented = "no event without its outbox row"
	ruleParked   = "nothing is parked without a reason"
)

// compareWithOutbox compares the changes of state that need an event, as (key, type, n, at), with the service's outbox.
// Changes whose events retention has removed are not compared.
func (f *facts) compareWithOutbox(ctx context.Context, r *serviceDB, transitions string) error {
	// Usually both have the same sum of hashes, and nothing more is to be compared.
	same := false
	err := r.each(ctx, `WITH made AS (`+transitions+`) SELECT (SELECT purged_through FROM outbox_head) = 0
		AND (SELECT sum(n * hashtextextended(key || type, 0)::numeric) FROM made)
			IS NOT DISTINCT FROM (SELECT sum(hashtextextended(key || type, 0)) FROM outbox)`, nil,
		func(rows *sql.Rows) error { return rows.Scan(&same) })
	if err != nil || same {
		return err
	}
	query := `WITH made AS (` + transitions + `), told AS (SELECT key, type, count(*) AS n FROM outbox GROUP BY 1, 2),
			since AS (SELECT CASE WHEN (SELECT purged_through FROM outbox_head) > 0
			THEN (SELECT coalesce(min(created_at), now()) + interval '1 minute' FROM outbox) ELSE '-infinity' END AS at)
		SELECT coalesce(made.key, told.key),
			format('%s: %s transitions, %s events', coalesce(made.type, told.type), coalesce(made.n, 0), coalesce(told.n, 0))
		FROM made FULL JOIN told USING (key, type) CROSS JOIN since
		WHERE made.n IS DISTINCT FROM told.n AND (made.at > since.at OR since.at = '-infinity')`
	found, err := r.faults(ctx, ruleOutbox, query, false)
	for i := range found {
		found[i].subject = r.name + "'s events of " + found[i].subject
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missingEvents = append(f.missingEvents, found...)
	return err
}

func (f *facts) loadOrderEvents(ctx context.Context, r *serviceDB) error {
	var told []string
	for status, is := range orderStates {
		if is.event != "" {
			told = append(told, "('"+status+"', '"+is.event+"')")
		}
	}
	return f.compareWithOutbox(ctx, r, `
		SELECT order_id::text AS key, type, count(*) AS n, max(at) AS at
			FROM all_order_history JOIN (VALUES `+strings.Join(told, ", ")+`) told (status, type) USING (status) GROUP BY 1, 2
		UNION ALL SELECT order_id::text, '`+orderv1.TypeRefundRequested+
		`', count(*), max(at) FROM all_order_refunds GROUP BY 1`)
}

func (f *facts) loadRejectionEvents(ctx context.Context, r *serviceDB) error {
	return f.compareWithOutbox(ctx, r, `SELECT order_id::text AS key, '`+stockv1.TypeRejected+
		`' AS type, count(*) AS n, max(rejected_at) AS at FROM all_rejections GROUP BY 1`)
}

// bucket is the events of one type whose ids have the same first 8 digits. Ids begin with their time (UUIDv7), so a
// bucket is about a minute. Comparing sums of buckets makes it unnecessary to read every id.
type bucket struct{ typ, prefix string }

type sum struct{ n, hash int64 }

func (r *serviceDB) buckets(ctx context.Context, table string) (map[bucket]sum, error) {
	out := map[bucket]sum{}
	err := r.each(ctx, `SELECT type, left(id, 8), count(*), bit_xor(hashtextextended(id, 0)) FROM `+table+` GROUP BY 1, 2`,
		nil, func(rows *sql.Rows) error {
			var k bucket
			var s sum
			err := rows.Scan(&k.typ, &k.prefix, &s.n, &s.hash)
			out[k] = s
			return err
		})
	return out, err
}

// eventBook compares outboxes with inboxes.
func (f *facts) eventBook(ctx context.Context, b *Book) error {
	b.report(f.missingEvents)
	sent, got := map[string]map[bucket]sum{}, map[string]map[bucket]sum{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for name, r := range f.services {
		wg.Go(func() { // one service at a time by itself: it has one connection
			var out, in map[bucket]sum
			var err error
			if slices.Contains(contracts.Producers(), name) {
				out, err = r.buckets(ctx, "outbox")
			}
			if err == nil && slices.Contains(contracts.Consumers(), name) {
				in, err = r.buckets(ctx, "inbox")
			}
			mu.Lock()
			defer mu.Unlock()
			sent[name], got[name] = out, in
			if err != nil {
				failed = fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	compared := int64(0)
	for _, e := range contracts.Events() {
		for _, c := range e.Consumers {
			n, err := f.compareDeliveries(ctx, b, e, c.Service, sent[e.Producer], got[c.Service])
			if err != nil {
				return err
			}
			compared += n
		}
	}
	b.look("%d deliveries of events to consumers", compared)
	for _, name := range contracts.Producers() {
		if err := f.checkOutbox(ctx, b, f.services[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range contracts.Consumers() {
		if err := f.listParked(ctx, b, f.services[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// compareDeliveries finds events of one type that one consumer does not have, and those that it has but the producer
// has not.
func (f *facts) compareDeliveries(ctx context.Context, b *Book, kind contracts.Event, consumer string,
	sent, got map[bucket]sum,
) (n int64, err error) {
	differ := map[string]bool{}
	for k, v := range sent {
		if k.typ == kind.Type {
			n += v.n
			if got[k] != v {
				differ[k.prefix] = true
			}
		}
	}
	for k := range got {
		if _, ok := sent[k]; k.typ == kind.Type && !ok {
			differ[k.prefix] = true
		}
	}
	if len(differ) == 0 {
		return n, nil
	}
	prefixes := slices.Collect(maps.Keys(differ))
	out, err := f.services[kind.Producer].eventIDs(ctx, "outbox", "created_at", kind.Type, prefixes)
	if err != nil {
		return n, err
	}
	in, err := f.services[consumer].eventIDs(ctx, "inbox", "received_at", kind.Type, prefixes)
	if err != nil {
		return n, err
	}
	since, err := f.services[kind.Producer].purgedBefore(ctx)
	if err != nil {
		return n, err
	}
	for id, e := range out {
		if _, ok := in[id]; !ok {
			b.add(level(e.age), ruleReceived, "event "+id, "%s of %s, %.0f s old, is not in %s's inbox", kind.Type, e.key, e.age,
				consumer)
		}
	}
	for id, e := range in {
		if _, ok := out[id]; !ok && e.age < since {
			b.add(level(e.age), ruleInvented, "event "+id, "%s of %s is in %s's inbox and not in %s's outbox", kind.Type, e.key,
				consumer, kind.Producer)
		}
	}
	return n, nil
}
