package store_test

import (
	"context"
	"log/slog"
	"reflect"
	"strconv"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

func runOf(user, key, orderID string) keyed.Run {
	return keyed.Run{Request: keyed.Request{User: user, Key: key, Fingerprint: []byte("f")}, EffectID: orderID,
		Fresh: true}
}

func recordOf(run keyed.Run) checkout.Record {
	total := int64(210)
	return checkout.Record{OrderID: run.EffectID, UserID: run.User, Items: []checkout.Item{{ProductID: "5", Quantity: 2}},
		PostalAddress: checkout.PostalAddress{Recipient: "陈薇", City: "武汉", Country: "CN"}, FromCart: true,
		ExpectedTotal: &total}
}

func query(t *testing.T, db *gorm.DB, sql string) (text string) {
	t.Helper()
	if err := db.Raw(sql).Scan(&text).Error; err != nil {
		t.Fatal(err)
	}
	return text
}

// The record of a checkout commits together with its key. The first record stays, and a taken key stores no other.
func TestARecordCommitsWithItsKey(t *testing.T) {
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	s := store.NewCheckouts(db)
	run := runOf("7", "k", "1")
	want := recordOf(run)
	for i, begins := range []bool{true, false} {
		r := want
		r.FromCart = i == 0
		if begun, err := s.Begin(t.Context(), runOf("7", "k", strconv.Itoa(1+i)), r, nil); err != nil || begun != begins {
			t.Fatalf("begin %d: %v, %v", 1+i, begun, err)
		}
	}
	if r, err := s.Find(t.Context(), run); err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("found %+v, %v; want %+v", r, err, want)
	}
	if _, err := s.Find(t.Context(), runOf("7", "k", "2")); problem.KindOf(err) != problem.NotFound {
		t.Errorf("the second record: %v, want not found", err)
	}
	if got := query(t, db,
		"SELECT string_agg(concat_ws(' ', effect_id, status), ', ') FROM idempotency_keys"); got != "1" {
		t.Errorf("keys %q", got)
	}
}

// The connection breaks after the commit, so its outcome is unknown: the run finds its own record and is still the
// first run.
func TestARecordIsFoundAfterACommitWithUnknownOutcome(t *testing.T) {
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	s := store.NewCheckouts(db)
	keys := idempotency.New(db, &orderIDs{}, []byte("secret"), slog.New(slog.DiscardHandler))
	var found checkout.Record
	_, err := keys.Do(t.Context(), runOf("7", "k", "").Request, keyed.Work{
		BeginNew: func(ctx context.Context, run keyed.Run) (bool, error) {
			_, err := s.Begin(ctx, run, recordOf(run), nil)
			return false, err
		},
		Begin: func(ctx context.Context, run keyed.Run) (err error) {
			if !run.Fresh {
				t.Errorf("it is not the first run: %+v", run)
			}
			found, err = s.Find(ctx, run)
			return err
		},
		Act: func(context.Context, keyed.Run) (keyed.Answer, error) { return keyed.Created(nil), nil },
	})
	if want := recordOf(runOf("7", "k", "1")); err != nil || !reflect.DeepEqual(found, want) {
		t.Errorf("%+v, %v; want %+v", found, err, want)
	}
}

type orderIDs struct{ n int }

func (o *orderIDs) Next() (string, error) { o.n++; return strconv.Itoa(o.n), nil }

// The first outcome stays, for the checkout as for its key.
func TestACheckoutEndsOnce(t *testing.T) {
	for what, c := range map[string]struct {
		ends []keyed.Answer
		want string
	}{
		"placed": {[]keyed.Answer{{Status: 201}, {Status: 409, Refusal: problem.New(problem.Conflict, "sold_out", "")}},
			"placed  201"},
		"refused": {[]keyed.Answer{{Status: 409, Refusal: problem.New(problem.Conflict, "sold_out", "")}, {Status: 201}},
			"refused sold_out 409"},
	} {
		db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
		s, run := store.NewCheckouts(db), runOf("7", "k", "1")
		if _, err := s.Begin(t.Context(), run, recordOf(run), nil); err != nil {
			t.Fatal(err)
		}
		for _, a := range c.ends {
			if err := s.End(t.Context(), run, a); err != nil {
				t.Fatal(err)
			}
		}
		if got := query(t, db, `SELECT concat_ws(' ', state, refusal, status) FROM checkouts
			JOIN idempotency_keys ON effect_id = order_id`); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

// A checkout outlives its key, first in the live table, then in the archive. When an account is deleted, only the
// addresses are erased.
func TestCheckoutsStayWithoutAddresses(t *testing.T) {
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	s := store.NewCheckouts(db)
	old := ids.FirstAt(time.Now().Add(-61 * 24 * time.Hour))
	for i, id := range []int64{old, old + 1, ids.FirstAt(time.Now()), ids.FirstAt(time.Now()) + 1} {
		run := runOf(strconv.Itoa(7+i%2), strconv.Itoa(i), strconv.FormatInt(id, 10))
		r := recordOf(run)
		r.FromCart = false
		if _, err := s.Begin(t.Context(), run, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Archive(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.EraseAddresses(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	const sql = `SELECT string_agg(concat_ws(' ', tableoid::regclass, user_id, address->>'city'), ', ' ORDER BY order_id)
		FROM all_checkouts`
	if got := query(t, db, sql); got != "archived_checkouts 7, archived_checkouts 8 武汉, checkouts 7, checkouts 8 武汉" {
		t.Errorf("stored: %s", got)
	}
}

// Checkouts are kept forever, so no statement may read all of them.
func TestNoStatementReadsAllCheckouts(t *testing.T) {
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	young := ids.FirstAt(time.Now().Add(-24 * time.Hour))
	for table, first := range map[string]int64{"checkouts": young, "archived_checkouts": 1000} {
		if err := db.Exec(`INSERT INTO `+table+` (order_id, user_id, key, state, items, from_cart, address)
			SELECT i, 1000 + i % 5000, 'k' || i, 'placed', '[]', false, '{}' FROM generate_series(?::bigint, ?) i`, first,
			first+int64(postgrestest.Rows(t))-1).Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Exec("ANALYZE").Error; err != nil {
		t.Fatal(err)
	}
	watched := postgrestest.Watch(db)
	s, ctx, run := store.NewCheckouts(watched.DB), t.Context(), runOf("7", "k", "1")
	_, begin := s.Begin(ctx, run, recordOf(run), nil)
	_, find := s.Find(ctx, run)
	_, taker := s.CartTaker(ctx, "7", nil)
	for what, err := range map[string]error{"begin": begin, "find": find, "taker": taker,
		"end taker": s.EndTaker(ctx, "1", true), "end": s.End(ctx, run, keyed.Created(nil)),
		"erase": s.EraseAddresses(ctx, "1007"), "archive": s.Archive(ctx, 0)} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, found := range watched.WholeTables(t, "checkouts", "archived_checkouts") {
		t.Errorf("a statement reads all of %s", found)
	}
}
