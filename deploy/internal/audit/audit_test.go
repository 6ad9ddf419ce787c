package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"daprmall.dev/services/contracts"
)

// fail is one inconsistency in one service, and the check that must find it.
type fail struct {
	name, service, sql string
	book, rule         string
	level              Level
}

var fails = []fail{
	{"stock that no ledger entry explains", "product", "UPDATE stock SET on_hand = 99", "C1", ruleLedger, Violation},
	{"a missing ledger entry", "product", "DELETE FROM stock_ledger WHERE stock_version = 8", "C1", ruleLedger,
		Violation},
	{"a reservation that is not in stock", "product",
		"UPDATE stock SET reserved = 0; UPDATE stock_ledger SET reserved_delta = -1 WHERE stock_version = 8", "C1",
		ruleReserved, Violation},
	{"stock released twice", "product", "UPDATE stock_ledger SET kind = 'release', order_id = 3 WHERE stock_version = 8",
		"C1", ruleEntries, Violation},
	{"a deduction without a reservation", "product",
		"UPDATE stock_ledger SET kind = 'deduct', order_id = 9 WHERE stock_version = 8", "C1", ruleEntries, Violation},
	{"an entry of an order that took nothing from stock", "product",
		"UPDATE reservations SET from_stock = false WHERE order_id = 1", "C1", ruleEntries, Violation},
	{"a reservation that took nothing from stock, reserved", "product",
		"UPDATE reservations SET from_stock = false WHERE order_id = 2", "C1", ruleReserved, Violation},
	{"a category counted wrongly", "product", "INSERT INTO category_counts VALUES ('Tea', 8, 2)", "C1", ruleCounts,
		Violation},
	{"an adjustment with a wrong delta", "product", "UPDATE adjustments SET delta = -2", "C1", ruleAdjusted, Violation},

	{"paid without a payment", "payment", "DELETE FROM payments WHERE id = 11", "C2", rulePaid, Violation},
	{"paid twice", "payment", "UPDATE payments SET status = 'succeeded' WHERE id = 10", "C2", rulePaid, Violation},
	{"another amount", "payment", "UPDATE payments SET amount = 1999 WHERE id = 11", "C2", rulePaid, Violation},
	{"a payment of an order that awaits payment", "payment", "UPDATE payments SET order_id = 2 WHERE id = 11", "C2",
		rulePaid,
		Violation},
	{"a payment of a cancelled order that is not refunded", "payment", "UPDATE payments SET order_id = 3 WHERE id = 11",
		"C2", ruleBack,
		Violation},
	{"refunded without the order knowing it", "order",
		"UPDATE orders SET status = 'cancelled' WHERE id = 4; DELETE FROM order_history WHERE position = 2", "C2", ruleBack,
		Violation},
	{"no bill", "payment", "DELETE FROM bills WHERE order_id = 2", "C2", ruleBill, Violation},
	{"an open bill of a cancelled order", "payment", "UPDATE bills SET status = 'open' WHERE order_id = 3", "C2", ruleBill,
		Violation},
	{"a bill with another amount", "payment", "UPDATE bills SET amount = 1 WHERE order_id = 2", "C2", ruleBill, Violation},
	{"paid, stock not deducted", "product", "UPDATE reservations SET state = 'reserved' WHERE order_id = 1", "C2",
		ruleStock,
		Violation},
	{"cancelled, stock not released", "product", "UPDATE reservations SET state = 'reserved' WHERE order_id = 3", "C2",
		ruleStock, Violation},
	{"other lines", "product", "UPDATE reservations SET quantity = 2 WHERE order_id = 2", "C2", ruleStock, Violation},
	{"stock rejected, order not cancelled", "order",
		"UPDATE orders SET status = 'awaiting_payment', payment_due_at = now() + interval '1 minute' WHERE id = 5", "C2",
		ruleStock, Violation},
	{"never reserved", "product", "DELETE FROM reservations WHERE order_id = 2", "C2", ruleStock, Violation},
	{"more sold than there was", "order", "UPDATE order_lines SET quantity = 101 WHERE order_id = 1", "C2",
		ruleSoldUnits, Violation},
	{"a payment of no order", "payment",
		"INSERT INTO bills (order_id, user_id, amount, currency, due_at, status, version, updated_at) VALUES (99, 7, 1, " +
			"'CNY', now(), 'open', 1, now() - interval '2 minutes')", "C2", ruleOwner, Violation},
	{"an order that was created after its fence", "order", "UPDATE order_ids SET fenced = true WHERE order_id = 1", "C2",
		ruleFence,
		Violation},

	{"an order in an unknown state", "order", "UPDATE orders SET status = 'shipped' WHERE id = 1", "C2", ruleStates,
		Violation},
	{"an unknown state in an order's history", "order",
		"UPDATE order_history SET status = 'shipped' WHERE order_id = 3 AND position = 1", "C2", ruleStates, Violation},
	{"a payment in an unknown state", "payment", "UPDATE payments SET status = 'lost' WHERE id = 10", "C5", ruleStates,
		Violation},

	{"an order both archived and live", "order",
		"INSERT INTO archived_order_ids SELECT order_id FROM order_ids; INSERT INTO order_ids VALUES (1) ON CONFLICT DO " +
			"NOTHING", "C2", ruleArchive, Violation},
	{"a reservation both archived and live", "product",
		"INSERT INTO archived_reservations SELECT * FROM reservations WHERE order_id = 2", "C2", ruleArchive, Violation},

	{"a transition without its event", "order",
		"DELETE FROM outbox WHERE type LIKE '%paid%'; UPDATE outbox_head SET purged_through = 0", "C3", ruleOutbox,
		Violation},
	{"a transition with two events", "order",
		"INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, pos, published_at) SELECT 'again', topic, " +
			"type, key, 9, payload, 11, now() FROM outbox WHERE type LIKE '%paid%'", "C3", ruleOutbox, Violation},
	{"an event that was not published", "order", "UPDATE outbox SET published_at = NULL WHERE pos = 1", "C3", ruleRelayed,
		Violation},
	{"an event without a position in the feed", "payment",
		"UPDATE outbox SET pos = NULL WHERE pos = 3; UPDATE outbox_head SET pos = 2", "C3", ruleRelayed, Violation},
	{"a gap in the feed", "payment", "UPDATE outbox SET pos = 7 WHERE pos = 3", "C3", ruleFeed, Violation},
	{"an event that never arrived", "cart", "DELETE FROM inbox WHERE key = '2'", "C3", ruleReceived, Violation},
	{"a received event that no outbox has", "auth",
		"INSERT INTO inbox (id, source, type, key, status, via, received_at) VALUES ('x', 'user', 'mall.user.banned.v1', " +
			"'8', 'done', 'push', now() - interval '2 minutes')", "C3", ruleInvented, Violation},
	{"parked without a reason", "cart", "UPDATE inbox SET status = 'parked' WHERE key = '2'", "C3", ruleParked, Violation},
	{"parked with a reason", "cart", "UPDATE inbox SET status = 'parked', reason = 'no such cart' WHERE key = '2'", "C3",
		ruleParked, Parked},

	{"an order that was not cancelled in time", "order",
		"UPDATE orders SET payment_due_at = now() - interval '80 seconds' WHERE id = 2", "C4",
		ruleDue, Violation},
	{"a payment attempt that does not end", "payment", "UPDATE payments SET status = 'processing' WHERE id = 10", "C4",
		ruleAttempt,
		Violation},
	{"a refund that was not made", "payment", "UPDATE refunds SET done_at = NULL", "C4", ruleRefund, Violation},

	{"captured, unknown to payment", "sandbox", "UPDATE charges SET captured = 2000 WHERE ref = '10'", "C5", ruleCharge,
		Violation},
	{"refunded, unknown to payment", "sandbox", "UPDATE charges SET refunded = 2000 WHERE ref = '11'", "C5", ruleCharge,
		Violation},
	{"refunded at payment, not at the provider", "sandbox", "UPDATE charges SET refunded = 0 WHERE ref = '14'", "C5",
		ruleCharge, Violation},
	{"a charge unknown to the provider", "sandbox", "DELETE FROM charges WHERE ref = '11'", "C5", ruleCharge,
		Violation},
	{"money without a provider", "payment", "UPDATE payments SET provider = 'none' WHERE id = 14", "C5", ruleFree,
		Violation},
	{"a charge without a payment", "sandbox",
		"INSERT INTO charges (id, ref, amount, currency, state, captured, created_at) VALUES ('x', '99', 5, 'CNY', " +
			"'succeeded', 5, now() - interval '2 minutes')", "C5", ruleNoCharge, Violation},

	{"an answered order that does not exist", "checkout",
		"UPDATE checkouts SET state = 'placed' WHERE order_id = 6; DELETE FROM idempotency_keys WHERE effect_id = 6", "C6",
		ruleAnswered, Violation},
	{"an order whose checkout was refused", "checkout", "UPDATE all_checkouts SET state = 'refused' WHERE order_id = 1",
		"C6", ruleRefused, Violation},
	{"a checkout that ended otherwise than its answer", "checkout",
		"UPDATE idempotency_keys SET status = 409 WHERE effect_id = 2", "C6", ruleEnd, Violation},
	{"an answered payment that does not exist", "payment",
		"UPDATE idempotency_keys SET effect_id = 77 WHERE effect_id = 11", "C6",
		ruleAnswered, Violation},
	{"a payment whose request was refused", "payment", "UPDATE idempotency_keys SET status = 409 WHERE effect_id = 11",
		"C6",
		ruleRefused, Violation},
	{"two keys for one effect", "payment",
		"INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until, status, etag, body) SELECT " +
			"user_id, 'z', fingerprint, effect_id, lease_until, status, etag, body FROM idempotency_keys WHERE effect_id = 11",
		"C6", ruleEffects, Violation},
	{"an order without a checkout", "checkout", "DELETE FROM checkouts WHERE order_id = 3", "C6", ruleCheckout,
		Violation},
	{"an order without a checkout, of an older version", "checkout", "DELETE FROM idempotency_keys WHERE effect_id = 4",
		"C6", ruleCheckout, Violation},

	// Shortly after the change the same is not a violation yet.
	{"paid a moment ago", "order",
		"UPDATE orders SET status = 'awaiting_payment', updated_at = now(), payment_id = '' WHERE id = 1", "C2", rulePaid,
		InFlight},
	{"written a moment ago", "order", "UPDATE outbox SET published_at = NULL, created_at = now() WHERE pos = 1", "C3",
		ruleRelayed, InFlight},
	{"sent a moment ago", "order",
		"INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, pos, published_at) VALUES ('new', 't', " +
			"'mall.order.paid.v1', '2', 2, '{}', 11, now()); " +
			"UPDATE outbox_head SET pos = 11; INSERT INTO order_history VALUES " +
			"(2, 1, 'paid', '', now())", "C3", ruleReceived, InFlight},
	{"due a moment ago", "order", "UPDATE orders SET payment_due_at = now() - interval '70 seconds' WHERE id = 2", "C4",
		ruleDue, InFlight},
	{"tried a moment ago", "payment", "UPDATE payments SET status = 'processing', created_at = now() WHERE id = 10", "C4",
		ruleAttempt, InFlight},
}

func TestTheAuditFindsEveryViolation(t *testing.T) {
	w := newFixture(t)
	t.Run("every violation is found", func(t *testing.T) { w.everyBookCanFail(t, w.reset, contracts.Databases()...) })
	t.Run("every violation in archives is found", func(t *testing.T) {
		w.everyBookCanFail(t, w.resetArchived, "order", "payment", "product")
	})
	t.Run("what is still in flight after the wait is a violation", w.settledEndsTheWaiting)
	t.Run("a pending refund", w.refundOnItsWay)
	t.Run("a refund that the bank returned", w.refundThatCameBack)
	t.Run("events removed by retention are no violation", w.retentionIsNoViolation)
	t.Run("drain counts undelivered events", w.drainSees)
}

// wherever applies a change to the rows of the live tables and of the archives.
var wherever = regexp.MustCompile(
	`\b(UPDATE|DELETE FROM) (orders|order_\w+|bills|payments|refunds|reservations|rejections|adjustments|stock_ledger)\b`)

func (w *fixture) everyBookCanFail(t *testing.T, reset func(t *testing.T), in ...string) {
	t.Helper()
	reset(t)
	r, err := Audit(t.Context(), w.mall)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Balanced || len(findings(r)) > 0 {
		t.Fatalf("findings in a consistent mall: %q", findings(r))
	}
	for _, f := range fails {
		if !slices.Contains(in, f.service) {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			reset(t)
			w.do(t, f.service, wherever.ReplaceAllString(f.sql, "$1 all_$2"))
			r, err := Audit(t.Context(), w.mall)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range r.Books {
				hit := slices.ContainsFunc(b.Findings, func(g Finding) bool { return g.Rule == f.rule && g.Level == f.level })
				if b.ID == f.book && !hit {
					t.Errorf("%s does not report %q as %q; its verdict is %s: %q", b.ID, f.rule, f.level, b.Verdict, findings(r))
				}
			}
			if want := !slices.ContainsFunc(r.Books, func(b *Book) bool { return b.has(Violation) }); r.Balanced != want ||
				f.level == Violation && r.Balanced {
				t.Errorf("balanced is %v with %q", r.Balanced, findings(r))
			}
		})
	}
}

func findings(r *Report) []string {
	var out []string
	for _, b := range r.Books {
		for _, f := range b.Findings {
			out = append(out, fmt.Sprintf("%s %s %s: %s: %s", b.ID, f.Level, f.Rule, f.Subject, f.Detail))
		}
	}
	return out
}

// A provider takes days for some refunds. Meanwhile the order is cancelled and its payment is neither kept nor
// refunded. After a month it counts as stuck.
func (w *fixture) refundOnItsWay(t *testing.T) {
	const another = `INSERT INTO payments (id, order_id, user_id, provider, amount, currency, status, card_brand,
		card_last4, created_at, updated_at)
			SELECT 15, 4, 7, 'stripe', 2000, 'CNY', 'refunded', '', '', created_at, updated_at FROM payments WHERE id = 14;
		INSERT INTO refunds (payment_id, amount, done_at, told_at, status) VALUES (15, 2000, now(), now(), 'succeeded');
		UPDATE bills SET status = 'closed' WHERE order_id = 4;`
	for name, change := range map[string]map[string]string{
		"paid twice too late, the other is back": {"order": "UPDATE orders SET status = 'cancelled' WHERE id = 4",
			"payment": another},
		"paid twice too late, its own is back": {"order": "UPDATE orders SET status = 'refunded' WHERE id = 4",
			"payment": another},
		"paid too late": {"order": "UPDATE orders SET status = 'cancelled' WHERE id = 4",
			"payment": "UPDATE bills SET status = 'closed' WHERE order_id = 4"},
		"paid in time": {"order": "UPDATE orders SET status = 'cancelled', payment_id = '14' " +
			"WHERE id = 4", "payment": "UPDATE bills SET status = 'paid' WHERE order_id = 4"},
		"paid twice": {"order": "UPDATE orders SET status = 'cancelled' WHERE id = 4",
			"payment": "UPDATE payments SET order_id = 1 WHERE id = 14; UPDATE bills SET status = 'closed' WHERE order_id = 4"},
	} {
		w.reset(t)
		for service, query := range change {
			w.do(t, service, query)
		}
		w.do(t, "payment", "UPDATE payments SET status = 'succeeded', provider = 'stripe' WHERE id = 14; UPDATE refunds SET "+
			"status = 'pending', done_at = NULL, told_at = NULL WHERE payment_id = 14")
		w.do(t, "sandbox", "DELETE FROM charges WHERE ref = '14'")
		for age, want := range map[string]bool{"2 days": false, "31 days": true} {
			w.do(t, "payment", "UPDATE refunds SET created_at = now() - interval '"+age+"'")
			r, err := Audit(t.Context(), w.mall)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range r.Books {
				stuck := slices.ContainsFunc(b.Findings, func(g Finding) bool { return g.Rule == ruleRefund })
				if b.ID == "C2" && len(b.Findings) > 0 || b.ID == "C4" && stuck != want {
					t.Errorf("%s, after %s, findings:\n%s", name, age, strings.Join(findings(r), "\n"))
				}
			}
		}
	}
}

// A bank returned a refund: the money has to be refunded again, but the refund's event was published already.
func (w *fixture) refundThatCameBack(t *testing.T) {
	w.reset(t)
	w.do(t, "payment", "UPDATE payments SET status = 'succeeded' WHERE id = 14; UPDATE refunds SET status = 'failed', "+
		"told_at = done_at, done_at = NULL")
	w.do(t, "sandbox", "UPDATE charges SET refunded = 0 WHERE ref = '14'")
	r, err := Audit(t.Context(), w.mall)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range r.Books {
		if kept := slices.ContainsFunc(b.Findings, func(g Finding) bool { return g.Rule == ruleBack }); b.ID == "C2" &&
			!kept || b.ID == "C3" && len(b.Findings) > 0 {
			t.Errorf("%s: %s", b.ID, strings.Join(findings(r), "\n"))
		}
	}
}

// What is still in flight when the wait is over counts as a violation.
func (w *fixture) settledEndsTheWaiting(t *testing.T) {
	w.reset(t)
	w.do(t, "payment", "UPDATE payments SET status = 'processing', created_at = now() WHERE id = 10")
	now, err := Audit(t.Context(), w.mall)
	if err != nil || !now.Balanced {
		t.Fatalf("before the wait: %v, %v", now, err)
	}
	began := time.Now()
	later, err := Settled(t.Context(), w.mall, 1500*time.Millisecond)
	if err != nil || later.Balanced || time.Since(began) < time.Second {
		t.Fatalf("after the wait: balanced %v, %v", later.Balanced, err)
	}
	w.do(t, "payment", "UPDATE payments SET status = 'failed' WHERE id = 10")
	began = time.Now()
	if r, err := Settled(t.Context(), w.mall, time.Minute); err != nil || !r.Balanced ||
		time.Since(began) > 5*time.Second {
		t.Fatalf("with nothing in flight: %v after %v: %q", err, time.Since(began), findings(r))
	}
}

// Events that retention removed from an outbox are no violation: their transitions and receipts are older.
func (w *fixture) retentionIsNoViolation(t *testing.T) {
	w.reset(t)
	w.do(t, "order", `DELETE FROM outbox WHERE pos <= 3; UPDATE outbox_head SET purged_through = 3; UPDATE outbox
		SET created_at = now() - interval '10 minutes'`)
	r, err := Audit(t.Context(), w.mall)
	if err != nil {
		t.Fatal(err)
	}
	if events := r.Books[2]; events.ID != "C3" || len(events.Findings) > 0 {
		t.Errorf("after retention: %s", strings.Join(findings(r), "\n"))
	}
}

// The load test ends when all events are delivered.
func (w *fixture) drainSees(t *testing.T) {
	w.reset(t)
	d, err := NewDrain(w.mall)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(when string, pending, made int) {
		t.Helper()
		if p, m, err := d.Pending(t.Context()); err != nil || p != pending || m != made {
			t.Errorf("%s: %d pending of %d, %v; want %d of %d", when, p, m, err, pending, made)
		}
	}
	check("nothing", 0, 0)
	w.do(t, "order", "INSERT INTO outbox (id, topic, type, key, aggregate_version, payload) VALUES ('new', 't', "+
		"'mall.order.cancelled.v1', '2', 2, '{}')")
	check("written", 3, 2) // one event to publish, which product and payment have to receive
	w.do(t, "order", "UPDATE outbox SET published_at = now(), pos = 99 WHERE id = 'new'")
	w.do(t, "product", "INSERT INTO inbox (id, source, type, status, via) VALUES ('new', 'order', "+
		"'mall.order.cancelled.v1', 'done', 'push')")
	check("half delivered", 1, 2)
	w.do(t, "payment", "INSERT INTO inbox (id, source, type, status, via, reason) VALUES ('new', 'order', "+
		"'mall.order.cancelled.v1', 'parked', 'push', 'why')")
	check("parked counts as delivered", 0, 2)
}
