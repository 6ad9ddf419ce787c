package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/batch"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
	"daprmall.dev/services/order/internal/order"
)

// How orders that are placed at the same time share a statement.
const (
	mostTogether    = 64
	patience        = 50 * time.Millisecond // then a statement that waits for a lock is overtaken
	togetherTimeout = 5 * time.Second
	// lockPatience is how long one order may wait for a lock, while the others of its statement wait for it. It is shorter
	// than PostgreSQL's deadlock_timeout.
	lockPatience = 100 * time.Millisecond
)

// maxRaces bounds how often Create tries again because other orders of the shopper were placed meanwhile. Each of them
// has taken a slot, so that a shopper's cap would have to be freed as often.
const maxRaces = 1000

// newOrder is an order to insert.
type newOrder struct {
	ctx    context.Context //nolint:containedctx // of the caller: a trace, and a deadline if it is inserted alone
	snap   order.Snapshot
	events []outbox.Event
	most   int64 // how many unpaid orders the shopper may have; 0: any number
}

// inserted is what became of a new order.
type inserted struct {
	Claimed bool // the id was new
	Fenced  bool // and there is no order, because the shopper has too many open ones
	Open    int64
	Oldest  sql.NullTime // when the first of them is due
	alone   bool         // nothing has become of it: it must be inserted alone
}

// Create implements order.Store. It writes by one statement, because a checkout waits for it; orders that are created
// at the same time share one. Create and Fence of one id exclude each other, because both insert the same row of
// order_ids.
func (s *Store) Create(ctx context.Context, id order.ID, maxOpen int64,
	build func(now time.Time) (*order.Order, []order.Event, error)) (*order.Order, error) {
	now, err := s.clock.now(ctx, postgres.DB(ctx, s.db))
	if err != nil {
		return nil, err
	}
	o, events, err := build(now)
	if err != nil {
		return nil, err
	}
	snap := o.Snapshot()
	in := newOrder{ctx: ctx, snap: snap, events: toEvents(snap, events), most: min(maxOpen, math.MaxInt16)}
	res, err := s.place(ctx, in)
	switch {
	case err != nil:
		return nil, fmt.Errorf("insert order %s: %w", id, err)
	case res.Claimed && !res.Fenced:
		return o, nil
	case res.Claimed:
		return nil, order.TooManyOpenError{Open: res.Open, Most: in.most, Oldest: res.Oldest.Time.UTC(), Now: now}
	}
	found, err := s.Find(ctx, id)
	if problem.KindOf(err) == problem.NotFound {
		return nil, s.whyFenced(ctx, snap.UserID, in.most, now)
	}
	return found, err
}

// place inserts an order with those that wait at the same time, or alone if that did not do.
func (s *Store) place(ctx context.Context, in newOrder) (inserted, error) {
	if _, inTx := postgres.DB(ctx, s.db).Statement.ConnPool.(gorm.TxCommitter); !inTx {
		res, err := s.placing.Do(ctx, in)
		if err != nil || !res.alone {
			return res, err
		}
	}
	return s.placeAlone(ctx, in)
}

func (s *Store) placeAlone(ctx context.Context, in newOrder) (res inserted, err error) {
	for try := 1; ; try++ {
		var all []inserted
		all, err = s.insert(ctx, in)
		if err == nil {
			return all[0], nil
		}
		if !postgres.IsUnique(err, "orders_open_slot") || try == maxRaces {
			return inserted{}, err
		}
	}
}

// placeTogether inserts at most one order of each shopper: two would want the same slot, and count to the same cap. If
// anything fails each order is inserted alone, so that one that cannot be inserted fails alone.
func (s *Store) placeTogether(all []newOrder) []batch.Result[inserted] {
	results := make([]batch.Result[inserted], len(all))
	if len(all) == 1 {
		results[0].Value, results[0].Err = s.placeAlone(all[0].ctx, all[0])
		return results
	}
	var first []newOrder
	var at []int // of first in all
	traces, ids, shoppers := map[string]telemetry.Trace{}, map[order.ID]bool{}, map[string]bool{}
	for i, in := range all {
		results[i].Value.alone = true
		if ids[in.snap.ID] || shoppers[in.snap.UserID] {
			continue
		}
		ids[in.snap.ID], shoppers[in.snap.UserID] = true, true
		first, at = append(first, in), append(at, i)
		traces[string(in.snap.ID)] = telemetry.TraceFor(in.ctx, string(in.snap.ID))
	}
	ctx, cancel := context.WithTimeout(telemetry.WithTraces(context.WithoutCancel(all[0].ctx), traces), togetherTimeout)
	defer cancel()
	written, err := s.insert(ctx, first...)
	if err != nil {
		slog.WarnContext(ctx, "orders are inserted one by one", "orders", len(first), "error", err)
		return results
	}
	for i, res := range written {
		results[at[i]].Value = res
	}
	return results
}

// whyFenced returns the refusal of an id that was fenced. If the shopper still has too many open orders, that is it: an
// earlier run of the same checkout may have been refused for it.
func (s *Store) whyFenced(ctx context.Context, userID string, most int64, now time.Time) error {
	var res inserted
	err := postgres.DB(ctx, s.db).Raw("WITH wish AS (SELECT ?::bigint AS most, ?::bigint AS shopper) SELECT open, oldest "+
		"FROM wish, "+countOpen, most, userID).Row().Scan(&res.Open, &res.Oldest)
	if err != nil {
		return fmt.Errorf("count open orders: %w", err)
	}
	if most > 0 && res.Open >= most {
		return order.TooManyOpenError{Open: res.Open, Most: most, Oldest: res.Oldest.Time.UTC(), Now: now}
	}
	return problem.New(problem.Conflict, "checkout_expired",
		"The checkout took too long and its stock was released. Try again with a new Idempotency-Key.")
}

// countOpen counts the unpaid orders of the shopper of each wish, with the earliest time at which one is due, and their
// slots. Because it is an aggregate, PostgreSQL searches each shopper's orders, and does not read those of all.
const countOpen = `LATERAL (
		SELECT count(*) AS open, min(payment_due_at) AS oldest,
			coalesce(array_agg(open_slot) FILTER (WHERE open_slot IS NOT NULL), '{}') AS taken
		FROM orders WHERE user_id = shopper AND status = 'awaiting_payment' AND most > 0
	) counted`

// insertOrders names its columns, because a newer version that runs beside this one may have added some.
//
// slot is a free one of the shopper, by chance, so that orders placed at the same time rarely want the same: the second
// of two would fail by the unique index. An order without a slot under a cap is not placed, and its id is fenced:
// checkout releases its stock, so that another run must not place it.
//
// Ids are claimed in their order, so that two such statements do not wait for each other. The time-out for locks is set
// before the first is claimed, until the end of the transaction. No plan depends on the arguments: PostgreSQL plans the
// statement once per connection.
const insertOrders = `WITH wish AS MATERIALIZED (
		SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bigint[]) AS w(id, shopper, most)
		WHERE set_config('lock_timeout', ?, true) <> ''
	), mine AS (
		SELECT id, most, open, oldest, taken, 1 + floor(random() * most)::bigint AS guess FROM wish, ` + countOpen + `
	), slot AS (
		SELECT id, most, open, oldest, CASE WHEN open >= most THEN NULL WHEN guess <> ALL (taken) THEN guess
			ELSE (SELECT min(n) FROM generate_series(1, most) n WHERE n <> ALL (taken)) END AS number FROM mine
	), claim AS (
		INSERT INTO order_ids (order_id, fenced) SELECT id, most > 0 AND number IS NULL FROM slot ORDER BY id
		ON CONFLICT (order_id) DO NOTHING RETURNING order_id, fenced
	), placed AS (
		SELECT id, number FROM claim JOIN slot ON id = order_id WHERE NOT fenced
	), o AS (
		INSERT INTO orders (id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal,
		shipping, total, currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version, open_slot)
		SELECT id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal, shipping, total,
		currency,
		from_cart, payment_due_at, cancel_reason, cancelled_by, payment_id, created_at, updated_at, version, number
		FROM placed JOIN jsonb_populate_recordset(NULL::orders, ?::jsonb) USING (id)
	), l AS (
		INSERT INTO order_lines (order_id, position, product_id, seller_id, name, price, quantity, image_url)
		SELECT order_id, position, product_id, seller_id, name, price, quantity, image_url
		FROM jsonb_populate_recordset(NULL::order_lines, ?::jsonb) WHERE order_id IN (SELECT id FROM placed)
	), h AS (
		INSERT INTO order_history (order_id, position, status, reason, at)
		SELECT order_id, position, status, reason, at FROM jsonb_populate_recordset(NULL::order_history, ?::jsonb)
		WHERE order_id IN (SELECT id FROM placed)
	), events AS (
	` + outbox.Insert + ` WHERE e.key IN (SELECT id::text FROM placed)
	) SELECT order_id, fenced, open, oldest FROM claim JOIN slot ON id = order_id`

// insert writes new orders with their lines, histories and events: each unless its id is taken or its shopper has too
// many unpaid orders. After an error none is written.
func (s *Store) insert(ctx context.Context, orders ...newOrder) (res []inserted, err error) {
	var rows []orderRow
	var lines []lineRow
	var history []historyRow
	var events []outbox.Event
	ids, shoppers, most := make([]string, len(orders)), make([]string, len(orders)), make([]string, len(orders))
	for i, o := range orders {
		ids[i], shoppers[i], most[i] = string(o.snap.ID), o.snap.UserID, strconv.FormatInt(o.most, 10)
		rows = append(rows, toOrderRow(o.snap))
		lines = append(lines, toLineRows(o.snap)...)
		history = append(history, toHistoryRows(o.snap, 0)...)
		events = append(events, o.events...)
	}
	args, err := marshalAll(rows, lines, history)
	if err != nil {
		return nil, err
	}
	outgoing, err := s.out.Rows(ctx, events...)
	if err != nil {
		return nil, err
	}
	forLocks := "0" // for ever
	if len(orders) > 1 {
		forLocks = strconv.FormatInt(lockPatience.Milliseconds(), 10)
	}
	args = append([]any{postgres.Array(ids), postgres.Array(shoppers), postgres.Array(most), forLocks},
		append(args, outgoing)...)
	err = orderArchive.WithLive(ctx, s.db, ids, func(ctx context.Context) error {
		byID, err := insertRows(postgres.DB(ctx, s.db), args)
		if err != nil {
			return err
		}
		res = make([]inserted, len(orders))
		for i, o := range orders {
			if res[i] = byID[ids[i]]; res[i].Claimed && !res[i].Fenced {
				s.out.Notify(ctx, o.events...)
			}
		}
		return nil
	})
	return res, err
}

// insertRows runs insertOrders. GORM's Scan into a struct would cost as much as the statement itself.
func insertRows(db *gorm.DB, args []any) (map[string]inserted, error) {
	rows, err := db.Raw(insertOrders, args...).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	byID := map[string]inserted{}
	for rows.Next() {
		var id string
		res := inserted{Claimed: true}
		if err := rows.Scan(&id, &res.Fenced, &res.Open, &res.Oldest); err != nil {
			return nil, err
		}
		byID[id] = res
	}
	return byID, rows.Err()
}
