package audit

import "context"

// stockRow is a product's stock; age is that of its last change.
type stockRow struct {
	onHand, reserved, version int64
	everAdded                 int64 // sum of the positive initial and adjust entries
	untracked                 bool  // it may have been sold without being in stock
	age                       float64
}

// reserved is what product has reserved for one order: a hash of its lines, and the states of its reservations.
type reserved struct {
	lines              int64
	minState, maxState string // in alphabetical order: equal if all reservations have the same state
	age                float64
}

const (
	ruleLedger    = "Σ ledger = stock"
	ruleReserved  = "reserved = Σ open reservations"
	ruleEntries   = "a reservation's ledger entries"
	ruleAdjusted  = "an adjustment's ledger entry"
	ruleCounts    = "a category's count = its products"
	ruleBase      = "gate base = on_hand − reserved"
	ruleHeld      = "gate held = Σ holds"
	ruleHold      = "no hold without a live order"
	ruleSoldUnits = "units sold ≤ units put in stock"
)

func (f *facts) loadStock(ctx context.Context, r *serviceDB) error {
	f.stock = map[int64]stockRow{}
	err := r.lines(ctx, `SELECT concat_ws(' ', s.product_id, s.on_hand, s.reserved, s.stock_version, coalesce(l.put, 0),
		NOT s.tracked OR u.product_id IS NOT NULL,
		coalesce(`+age("l.at")+`, 1000000000))
		FROM stock s LEFT JOIN (SELECT product_id, max(at) AS at,
			sum(on_hand_delta) FILTER (WHERE kind IN ('initial', 'adjust') AND on_hand_delta > 0) AS put
			FROM all_stock_ledger GROUP BY 1) l USING (product_id)
		LEFT JOIN (SELECT DISTINCT product_id FROM all_reservations WHERE NOT from_stock) u
			USING (product_id)`, func(l *line) {
		f.stock[l.int()] = stockRow{onHand: l.int(), reserved: l.int(), version: l.int(), everAdded: l.int(),
			untracked: l.bool(), age: l.seconds()}
	})
	if err != nil {
		return err
	}
	checks := []struct{ rule, query string }{
		{ruleLedger, `SELECT 'product ' || coalesce(s.product_id, l.product_id),
			format('stock says on_hand %s, reserved %s, version %s; the ledger adds up to %s, %s in %s entries, last version %s',
				s.on_hand, s.reserved, s.stock_version, l.on_hand, l.reserved, l.n, l.version)
			FROM stock s FULL JOIN (SELECT product_id, sum(on_hand_delta) AS on_hand, sum(reserved_delta) AS reserved,
			max(stock_version) AS version,
				max(stock_version) - min(stock_version) + 1 AS span, count(*) AS n FROM all_stock_ledger
				GROUP BY 1) l USING (product_id)
			WHERE (s.on_hand, s.reserved, s.stock_version) IS DISTINCT FROM (l.on_hand, l.reserved, l.version) OR l.span <> l.n
			OR NOT 0 <= s.reserved OR NOT s.reserved <= s.on_hand`},
		{ruleReserved, `SELECT 'product ' || coalesce(s.product_id, v.product_id),
			format('stock says %s, open reservations add up to %s', s.reserved, coalesce(v.open, 0))
			FROM stock s FULL JOIN (SELECT product_id, sum(quantity) AS open FROM all_reservations WHERE state = 'reserved'
			AND from_stock GROUP BY 1) v USING (product_id)
			WHERE s.reserved IS DISTINCT FROM coalesce(v.open, 0)`},
		// A cancelling that came before its placing has nothing in the ledger.
		{ruleEntries, `SELECT format('order %s product %s', coalesce(v.order_id, l.order_id), coalesce(v.product_id,
			l.product_id)),
				format('%s %s; the ledger has %s reserve, %s deduct, %s release: on_hand %s, reserved %s',
				coalesce(v.quantity::text, 'no reservation'), v.state, l.nr, l.nd, l.nl, l.h, l.r)
			FROM all_reservations v FULL JOIN (SELECT order_id, product_id, sum(on_hand_delta) AS h, sum(reserved_delta) AS r,
			count(*) FILTER (WHERE kind = 'reserve') AS nr,
				count(*) FILTER (WHERE kind = 'deduct') AS nd, count(*) FILTER (WHERE kind = 'release') AS nl FROM all_stock_ledger
				WHERE order_id IS NOT NULL GROUP BY 1, 2) l USING (order_id, product_id)
			WHERE NOT coalesce(CASE
				WHEN NOT v.from_stock THEN l.nr IS NULL
				WHEN v.state = 'reserved' THEN (l.h, l.r, l.nr, l.nd, l.nl) = (0, v.quantity, 1, 0, 0)
				WHEN v.state = 'deducted' THEN (l.h, l.r, l.nr, l.nd, l.nl) = (-v.quantity, 0, 1, 1, 0)
				WHEN v.state = 'released' THEN l.nr IS NULL OR (l.h, l.r, l.nr, l.nd, l.nl) = (0, 0, 1, 0, 1) END, false)`},
		{ruleCounts, `SELECT 'category ' || coalesce(c.category, p.category), format('of seller %s: counted %s, there are %s',
				coalesce(c.seller_id, p.seller_id), c.products, p.n)
			FROM (SELECT * FROM category_counts WHERE products <> 0) c
			FULL JOIN (SELECT category, seller_id, count(*) AS n FROM products WHERE deleted_at IS NULL AND category <> ''
				GROUP BY 1, 2) p USING (category, seller_id)
			WHERE c.products IS DISTINCT FROM p.n`},
		{ruleAdjusted, `SELECT 'adjustment ' || coalesce(a.id, l.adjustment_id),
			format('asked for %s, the ledger has %s in %s entries', a.delta, l.h, l.n)
			FROM all_adjustments a FULL JOIN (SELECT adjustment_id, sum(on_hand_delta) AS h, count(*) AS n FROM all_stock_ledger
			WHERE adjustment_id IS NOT NULL GROUP BY 1) l ON l.adjustment_id = a.id
			WHERE (a.delta, 1) IS DISTINCT FROM (l.h, l.n)`},
	}
	for _, c := range checks {
		found, err := r.faults(ctx, c.rule, c.query, false)
		if err != nil {
			return err
		}
		f.stockFaults = append(f.stockFaults, found...)
	}
	return nil
}

// hashLines makes one number of an order's lines, the same in the databases of order and product. It does not depend on
// their sequence; each product is on one line only.
const hashLines = "bit_xor(hashint8extended(product_id, quantity))"

func (f *facts) loadReservations(ctx context.Context, r *serviceDB) error {
	f.reservations, f.rejections = map[int64]reserved{}, map[int64]float64{}
	err := r.lines(ctx, `SELECT concat_ws(' ', order_id, `+hashLines+`, min(state), max(state), `+age("max(updated_at)")+
		`) FROM all_reservations GROUP BY order_id`, func(l *line) {
		f.reservations[l.int()] = reserved{lines: l.int(), minState: l.word(), maxState: l.word(), age: l.seconds()}
	})
	if err != nil {
		return err
	}
	return r.lines(ctx, `SELECT concat_ws(' ', order_id, `+age("rejected_at")+`) FROM all_rejections`,
		func(l *line) { f.rejections[l.int()] = l.seconds() })
}

func (f *facts) stockBook(b *Book) {
	b.look("%d products against their ledger", len(f.stock))
	b.look("%d orders' reservations against their ledger entries", len(f.reservations))
	b.report(f.stockFaults)
}
