package store_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/store"
)

// openJoined is open with a table of keys in the same database.
func openJoined(t *testing.T) fixture {
	t.Helper()
	db := postgrestest.Open(t, outbox.Migrations, idempotency.Migrations, store.Migrations)
	contractstest.CheckEventsAtEnd(t, db, "payment")
	bank := postgrestest.Open(t, sandbox.Migrations)
	line := &unreliable{Provider: sandbox.New(bank)}
	s := store.New(db, outbox.New(db, "payment", nil, slog.Default()))
	service := payment.NewService(s, noOrders{}, nil, []payment.Provider{line}, func() string { return "sandbox" },
		slog.New(slog.DiscardHandler))
	return fixture{service, t, db, bank, line, s}
}

func runOf(user, key, effectID string) keyed.Run {
	return keyed.Run{Request: keyed.Request{User: user, Key: key, Fingerprint: []byte("f")}, EffectID: effectID}
}

func (d fixture) count(sql string) (n int) {
	d.t.Helper()
	if err := d.db.Raw("SELECT count(*) FROM " + sql).Scan(&n).Error; err != nil {
		d.t.Fatal(err)
	}
	return n
}

// The single statement starts exactly the attempts that Start would start; otherwise it stores nothing, not even the
// key.
func TestStartingByOneStatementAgreesWithStart(t *testing.T) {
	d := openJoined(t)
	n := 0
	for _, status := range []payment.BillStatus{payment.Open, payment.Paid, payment.Closed, payment.BillRefunded} {
		for _, due := range []time.Duration{time.Minute, -time.Second} {
			for _, user := range []string{"7", "8"} {
				for _, live := range []bool{false, true} {
					for _, taken := range []bool{false, true} {
						n++
						b := d.bill(fmt.Sprint(100 + n))
						if live {
							d.start(fmt.Sprint(1000+n), b, card("4242424242424242"))
						}
						d.sql(d.db, fmt.Sprintf(
							"UPDATE bills SET status = '%s', due_at = now() + interval '%d seconds' WHERE order_id = %s",
							status, int(due.Seconds()), b.OrderID))
						run := runOf(user, fmt.Sprint("k", n), fmt.Sprint(2000+n))
						if taken {
							d.sql(d.db, fmt.Sprintf(
								"INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until) VALUES (%s, '%s', 'f', 1, "+
									"now())", user, run.Key))
						}
						what := fmt.Sprintf("a bill that is %s, due in %s, of 7, for %s; under way %v, key taken %v", status, due, user,
							live, taken)
						c := card("4242424242424242")
						p, err := d.StartNew(t.Context(), run, b.OrderID, &c)
						if err != nil {
							t.Fatalf("%s: %v", what, err)
						}
						want := 0
						if (payment.Bill{Status: status, DueAt: time.Now().Add(due)}).CanStart(time.Now(), live) == nil && user == "7" &&
							!taken {
							want = 1
						}
						if (p != nil) != (want == 1) || d.count(fmt.Sprint("payments WHERE id = ", 2000+n)) != want ||
							d.count(fmt.Sprint("idempotency_keys WHERE effect_id = ", 2000+n)) != want {
							t.Errorf("%s: started %+v, want %d", what, p, want)
						}
						if p == nil {
							continue
						}
						if found, err := d.store.Find(t.Context(), p.ID); err != nil || found.Amount != 210 ||
							found.Card.Last4 != "4242" || found.Status != payment.Processing {
							t.Errorf("%s: stored %+v, %v", what, found, err)
						}
					}
				}
			}
		}
	}
}

// An attempt or a bill that was changed meanwhile is not settled by the single statement: it stores nothing, and
// RecordOutcome decides.
func TestSettlingByOneStatementStopsAfterOtherChanges(t *testing.T) {
	d := openJoined(t)
	paid := payment.Outcome{State: payment.StateSucceeded}
	encode := func(*payment.Payment) ([]byte, error) { return []byte("{}"), nil }
	for i, meanwhile := range []struct {
		what, sql string
		kept      bool
	}{
		{"nothing", "SELECT 1", true},
		{"the order was cancelled", "UPDATE bills SET status = 'closed' WHERE order_id = %[1]s", false},
		{"another payment was refunded", "UPDATE bills SET version = version + 1 WHERE order_id = %[1]s", false},
		{"the attempt was cancelled", "UPDATE payments SET status = 'cancelled' WHERE id = %[2]s", false},
		{"the settler was faster", "UPDATE payments SET status = 'succeeded' WHERE id = %[2]s", false},
	} {
		b, id := d.bill(fmt.Sprint(100+i)), fmt.Sprint(1+i)
		run := runOf("7", "k"+id, id)
		c := card("4242424242424242")
		p, err := d.StartNew(t.Context(), run, b.OrderID, &c)
		if err != nil || p == nil {
			t.Fatalf("start: %+v, %v", p, err)
		}
		d.sql(d.db, fmt.Sprintf(meanwhile.sql+" -- %[1]s %[2]s", b.OrderID, id))
		a, err := d.KeepNew(t.Context(), p, paid, run, encode)
		if err != nil || (a != nil) != meanwhile.kept {
			t.Errorf("%s meanwhile: answer %+v, %v; want one: %v", meanwhile.what, a, err, meanwhile.kept)
		}
		want := map[bool]int{true: 1}[meanwhile.kept]
		if events, keys := d.count("outbox WHERE key = '"+b.OrderID+"'"),
			d.count("idempotency_keys WHERE status = 201 AND key = 'k"+id+"'"); events != want || keys != want {
			t.Errorf("%s meanwhile: %d events, %d answers, want %d", meanwhile.what, events, keys, want)
		}
		if meanwhile.kept {
			after, err := d.store.Find(t.Context(), id)
			if err != nil || after.Status != payment.Succeeded || d.status(b.OrderID) != payment.Paid {
				t.Errorf("stored %+v, %v, bill %s", after, err, d.status(b.OrderID))
			}
		}
	}
}

// If a bill is locked, the statement waits and then reads it again: the attempt starts with the bill as it is then, or
// not at all, and the run continues with the key that it has claimed.
func TestStartingWaitsForTheLockedBillAndReadsItAgain(t *testing.T) {
	d := openJoined(t)
	for i, meanwhile := range []struct {
		sql   string
		start bool
	}{{"UPDATE bills SET amount = 300, version = 5", true}, {"UPDATE bills SET status = 'closed'", false}} {
		b, id, c := d.bill(fmt.Sprint(100+i)), fmt.Sprint(1+i), card("4242424242424242")
		run := runOf("7", "k"+id, id)
		holder := d.db.Begin()
		d.sql(holder, meanwhile.sql+" WHERE order_id = "+b.OrderID)
		type outcome struct {
			p   *payment.Payment
			err error
		}
		started := make(chan outcome, 1)
		go func() {
			p, err := d.StartNew(t.Context(), run, b.OrderID, &c)
			started <- outcome{p, err}
		}()
		postgrestest.AwaitLockWait(t, d.db) // the request, for the bill
		if err := holder.Commit().Error; err != nil {
			t.Fatal(err)
		}
		o := <-started
		if o.err != nil || (o.p != nil) != meanwhile.start || o.p != nil &&
			(o.p.Amount != 300 || o.p.Started.BillVersion != 5) {
			t.Errorf("after %s: %+v, %v", meanwhile.sql, o.p, o.err)
		}
		if d.count("idempotency_keys WHERE status IS NULL AND effect_id = "+id) != 1 {
			t.Errorf("after %s the run has not claimed its key", meanwhile.sql)
		}
	}
}
