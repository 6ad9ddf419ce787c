package audit

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts"
)

// schema names the packages whose migrations make a database: the service's own store and the kit's packages that it
// uses. An additional database of a service belongs to the package of the same name.
func schema(service, database string) []string {
	if database != service {
		return []string{service + "/internal/" + database}
	}
	kit := []string{"kit/outbox", "kit/inbox", "kit/idempotency"}
	if service == "cart" { // its carts are Dapr state
		return kit
	}
	return append(kit, service+"/internal/store")
}

// fixture is a mall's databases with a small history that contains every kind of outcome.
type fixture struct {
	mall running.Mall
	dbs  map[string]*sql.DB
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	server := os.Getenv("MALL_TEST_POSTGRES_URL")
	if server == "" {
		if testing.Short() {
			t.Skip("needs PostgreSQL")
		}
		t.Fatal("MALL_TEST_POSTGRES_URL is not set: run this by `go run ./deploy/mall test` or in its --shell")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("MALL_TEST_POSTGRES_URL is not a URL")
	}
	q := u.Query()
	if q.Get("sslmode") == "" {
		q.Set("sslmode", "disable")
	}
	u.RawQuery = q.Encode()
	admin := open(t, u.String())
	w := &fixture{mall: running.Mall{Databases: map[string]string{}}, dbs: map[string]*sql.DB{}}
	for _, s := range contracts.Services {
		for _, database := range s.Databases {
			w.create(t, admin, *u, database, schema(s.Name, database))
		}
	}
	// The check constraints are dropped because a later version of a service may have states that this audit does not
	// know.
	for service, tables := range map[string][]string{"order": {"all_orders", "orders", "archived_orders"},
		"payment": {"all_payments", "payments", "archived_payments"}} {
		for _, table := range tables {
			w.do(t, service, "ALTER TABLE "+table+" DROP CONSTRAINT IF EXISTS "+tables[1]+"_status_check")
		}
	}
	return w
}

// create makes a database with the migrations of the given packages.
func (w *fixture) create(t *testing.T, admin *sql.DB, server url.URL, service string, schema []string) {
	t.Helper()
	name := fmt.Sprintf("books_%d_%s", os.Getpid(), service)
	exec(t, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	exec(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { exec(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	server.Path = "/" + name
	w.mall.Databases[service], w.dbs[service] = server.String(), open(t, server.String())
	for _, dir := range schema {
		files, err := filepath.Glob(filepath.Join("..", "..", "..", "services", filepath.FromSlash(dir), "migrations",
			"*.sql"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no migrations in %s: %v", dir, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// One call is one transaction, in which an index cannot be built concurrently.
			exec(t, w.dbs[service], strings.ReplaceAll(string(text), " CONCURRENTLY", ""))
		}
	}
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	//nolint:usetesting // clean-ups call it too, when the test's context is over
	if _, err := db.ExecContext(context.Background(), query); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
}

// do runs statements in a service's database.
func (w *fixture) do(t *testing.T, service, query string) { t.Helper(); exec(t, w.dbs[service], query) }

// past is what happened an hour ago: order 1 was paid at the second attempt, 2 awaits payment, 3 was cancelled, 4 was
// paid too late and refunded, 5 was out of stock. A seller took out one of 100. User 7 was banned.
var past = map[string]string{
	"order": `
		INSERT INTO orders (id, user_id, status, recipient, phone, street, city, state, country, postal_code, subtotal,
		shipping, total, currency, from_cart, payment_due_at,
			cancel_reason, payment_id, created_at, updated_at, version)
		SELECT id, 7, status, '', '', '', '', '', 'CN', '', 2000, 0, 2000, 'CNY', false, CASE
		WHEN id = 2 THEN now() + interval '10 minutes' ELSE now() - interval '45 minutes' END,
			reason, payment, now() - interval '1 hour', now() - interval '1 hour', 2
		FROM (VALUES (1, 'paid', '', '11'), (2, 'awaiting_payment', '', ''), (3, 'cancelled', 'payment_timeout', ''), (4,
		'refunded', 'payment_timeout', ''), (5, 'cancelled', 'out_of_stock', ''))
			v (id, status, reason, payment);
		INSERT INTO order_ids SELECT id FROM orders;
		INSERT INTO order_lines SELECT id, 0, 50, 8, 'tea', 2000, 1 FROM orders;
		INSERT INTO order_history SELECT id, 0, 'awaiting_payment', '', created_at FROM orders;
		INSERT INTO order_history SELECT id, 1, CASE WHEN id = 1 THEN 'paid' ELSE 'cancelled' END, '', created_at FROM orders
		WHERE id <> 2;
		INSERT INTO order_history SELECT id, 2, 'refunded', '', created_at FROM orders WHERE id = 4;
		INSERT INTO order_refunds SELECT '14', 4, 'paid_after_cancellation', created_at FROM orders WHERE id = 4;
		INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, created_at)
			SELECT left(type, 12) || '-' || type || order_id, 't', type, order_id, 1, '{}', now() - interval '1 hour' FROM (
				SELECT order_id, CASE status WHEN 'awaiting_payment' THEN 'mall.order.placed.v1'
				WHEN 'paid' THEN 'mall.order.paid.v1' ELSE 'mall.order.cancelled.v1' END AS type
					FROM order_history WHERE status <> 'refunded'
				UNION ALL SELECT order_id, 'mall.order.refund-requested.v1' FROM order_refunds) e`,
	"payment": `
		INSERT INTO bills (order_id, user_id, amount, currency, due_at, status, version, created_at, updated_at)
			SELECT id, 7, 2000, 'CNY', now() - interval '45 minutes', status, 1, now() - interval '1 hour',
			now() - interval '1 hour'
			FROM (VALUES (1, 'paid'), (2, 'open'), (3, 'closed'), (4, 'refunded'), (5, 'closed')) v (id, status);
		INSERT INTO payments (id, order_id, user_id, provider, provider_id, amount, currency, status, card_brand, card_last4,
		created_at, updated_at)
			SELECT id, o, 7, 'sandbox', 'sbx_' || id, 2000, 'CNY', status, 'visa', '4242', now() - interval '1 hour',
			now() - interval '1 hour'
			FROM (VALUES (10, 1, 'failed'), (11, 1, 'succeeded'), (14, 4, 'refunded')) v (id, o, status);
		INSERT INTO refunds (payment_id, amount, done_at, created_at) VALUES (14, 2000, now(), now() - interval '1 hour');
		INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until, status, body) VALUES
			(7, 'a', '', 10, now(), 402, '{"code":"card_declined"}'), (7, 'b', '', 11, now(), 201, '{"id":"11"}'), (7, 'c', '',
			14, now(), 201, '{"id":"14"}');
		INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, created_at)
			SELECT 'pay-' || type || order_id, 't', type, order_id, 1, '{}', now() - interval '1 hour'
			FROM (VALUES (1, 'mall.payment.succeeded.v1'), (4, 'mall.payment.succeeded.v1'), (4, 'mall.payment.refunded.v1')) v
			(order_id, type)`,
	"sandbox": `
		INSERT INTO charges (id, ref, amount, currency, state, captured, refunded, created_at)
		SELECT 'sbx_' || ref, ref, 2000, 'CNY', state, captured, refunded, now() - interval '1 hour'
			FROM (VALUES ('10', 'failed', 0, 0), ('11', 'succeeded', 2000, 0), ('14', 'succeeded', 2000, 2000)) v (ref, state,
			captured, refunded)`,
	"product": `
		INSERT INTO products VALUES (50, 8, 'tea', '', '', '', 2000, 'CNY', 1, '', now(), now());
		INSERT INTO stock VALUES (50, 98, 1, 8);
		INSERT INTO reservations SELECT id, 50, 1, state, now() - interval '1 hour', now() - interval '1 hour'
		FROM (VALUES (1, 'deducted'), (2, 'reserved'), (3, 'released'), (4, 'released')) v (id, state);
		INSERT INTO rejections VALUES (5, '[]', now() - interval '1 hour');
		INSERT INTO adjustments (id, product_id, delta, reason, actor) VALUES (90, 50, -1, 'broken', 8);
		INSERT INTO stock_ledger (product_id, stock_version, kind, on_hand_delta, reserved_delta, on_hand, reserved, order_id,
		adjustment_id, at)
			SELECT 50, v, kind, h, r, 0, 0, o, a, now() - interval '1 hour' FROM (VALUES (1, 'initial', 100, 0, NULL::bigint,
			NULL::bigint), (2, 'reserve', 0, 1, 1, NULL), (3, 'deduct', -1, -1, 1, NULL),
				(4, 'reserve', 0, 1, 2, NULL), (5, 'reserve', 0, 1, 3, NULL), (6, 'release', 0, -1, 3, NULL), (7, 'adjust', -1, 0,
				NULL, 90), (8, 'reserve', 0, 0, NULL, NULL)) x (v, kind, h, r, o, a);
		INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, created_at)
		VALUES ('stock-5', 't', 'mall.stock.rejected.v1', '5', 1, '{}', now() - interval '1 hour')`,
	"checkout": `
		INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until, record, status, body, created_at)
			SELECT 7, 'k' || id, '', id, now(), CASE WHEN id = 4 THEN '{}' END, CASE WHEN id = 6 THEN 409 ELSE 201 END,
			'{"id":"' || id || '"}', now() - interval '61 minutes' FROM generate_series(2, 6) id;
		INSERT INTO archived_checkouts (order_id, user_id, key, state, items, from_cart, address, created_at)
			VALUES (1, 7, 'k1', 'placed', '[]', false, '{}', now() - interval '61 minutes');
		INSERT INTO checkouts (order_id, user_id, key, state, items, from_cart, address, created_at)
			SELECT id, 7, 'k' || id, CASE WHEN id = 6 THEN 'refused' ELSE 'placed' END, '[]', false, '{}',
			now() - interval '61 minutes' FROM generate_series(2, 6) id WHERE id <> 4`,
	"user": `INSERT INTO outbox (id, topic, type, key, aggregate_version, payload, created_at)
		VALUES ('ban-7', 't', 'mall.user.banned.v1', '7', 2, '{}', now() - interval '1 hour')`,
}

// reset restores the history, with all events delivered.
func (w *fixture) reset(t *testing.T) {
	t.Helper()
	for service, db := range w.dbs {
		exec(t, db, `DO $$ DECLARE t text; BEGIN
			FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'outbox_head'
			LOOP EXECUTE 'TRUNCATE ' || t || ' RESTART IDENTITY CASCADE'; END LOOP; END $$`)
		if past[service] != "" {
			exec(t, db, past[service])
		}
	}
	for _, service := range contracts.Producers() {
		w.do(t, service, `UPDATE outbox SET pos = seq, published_at = now(); UPDATE outbox_head SET pos = (SELECT count(*)
			FROM outbox), purged_through = 0`)
	}
	for _, e := range contracts.Events() {
		var values sql.NullString
		err := w.dbs[e.Producer].QueryRowContext(
			t.Context(), `SELECT string_agg(format('(%L, %L, %L, %L, ''done'', ''push'', now() - interval ''1 hour'', now())',
				id, $2::text, type, key), ', ')
			FROM outbox WHERE type = $1`, e.Type, e.Producer).Scan(&values)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range e.Consumers {
			if values.Valid {
				w.do(t, c.Service, "INSERT INTO inbox (id, source, type, key, status, via, received_at, handled_at) VALUES "+
					values.String)
			}
		}
	}
}

// resetArchived restores the history and archives it, except order 2, which is open.
func (w *fixture) resetArchived(t *testing.T) {
	t.Helper()
	w.reset(t)
	for service, tables := range map[string]map[string]string{
		"order": {"order_lines": "order_id <> 2", "order_history": "order_id <> 2", "order_refunds": "order_id <> 2",
			"orders": "id <> 2", "order_ids": "order_id <> 2"},
		"payment": {"refunds": "true", "payments": "order_id <> 2", "bills": "order_id <> 2"},
		"product": {"reservations": "order_id <> 2", "rejections": "true", "adjustments": "true",
			"stock_ledger": "stock_version < 8"},
	} {
		for _, table := range slices.Sorted(maps.Keys(tables)) {
			w.do(t, service, "BEGIN; SET LOCAL session_replication_role = replica; WITH rows AS (DELETE FROM "+table+" WHERE "+
				tables[table]+" RETURNING *) INSERT INTO archived_"+table+" SELECT * FROM rows; COMMIT")
		}
	}
}
