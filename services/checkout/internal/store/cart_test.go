package store_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/checkout/internal/store"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

// A cart is taken by one checkout at a time, and by the next one only when the cart shows what this one has bought.
func TestACartIsTakenByOneCheckoutAtATime(t *testing.T) {
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	s, next := store.NewCheckouts(db), ids.FirstAt(time.Now())
	old := ids.FirstAt(time.Now().Add(-11 * time.Minute))
	begin := func(id int64, applied ...string) (keyed.Run, bool) {
		t.Helper()
		run := runOf("7", fmt.Sprint("k", id), strconv.FormatInt(id, 10))
		begun, err := s.Begin(t.Context(), run, recordOf(run), applied)
		if err != nil {
			t.Fatal(err)
		}
		if kept := query(t, db, "SELECT count(*) FROM idempotency_keys WHERE key = '"+run.Key+"'"); begun != (kept == "1") {
			t.Errorf("begun %v, %s keys claimed", begun, kept)
		}
		return run, begun
	}
	end := func(run keyed.Run, a keyed.Answer) {
		t.Helper()
		if err := s.End(t.Context(), run, a); err != nil {
			t.Fatal(err)
		}
	}
	taker := func(applied ...string) string {
		t.Helper()
		other, err := s.CartTaker(t.Context(), "7", applied)
		if err != nil {
			t.Fatal(err)
		}
		if other == nil {
			return ""
		}
		if len(other.Items) != 1 || other.Items[0].ProductID != "5" || other.Age > time.Minute {
			t.Errorf("taker %+v", other)
		}
		return fmt.Sprint(other.OrderID, " ", other.Placed)
	}
	refused := keyed.Answer{Status: 409, Refusal: problem.New(problem.Conflict, "sold_out", "")}

	first, begun := begin(old)
	if !begun || taker() != first.EffectID+" false" {
		t.Fatalf("the first: %v, taker %s", begun, taker())
	}
	if _, begun := begin(next); begun {
		t.Error("began while the first one runs")
	}
	end(first, refused)
	second, begun := begin(next + 1)
	if !begun {
		t.Fatalf("after a refusal: not begun, taker %s", taker())
	}
	end(second, keyed.Created(nil))
	if _, begun := begin(next + 2); begun || taker() != second.EffectID+" true" || taker(second.EffectID) != "" {
		t.Errorf("with a cart that is too old: %v, taker %s", begun, taker())
	}
	third, begun := begin(next+3, "1", second.EffectID)
	if !begun {
		t.Fatalf("with a cart without the second order: not begun, taker %s", taker(second.EffectID))
	}
	end(third, keyed.Created(nil))
	if err := s.EndTaker(t.Context(), third.EffectID, true); err != nil {
		t.Fatal(err)
	}
	if _, begun := begin(next+4, second.EffectID); begun {
		t.Error("began with a cart that was read before the third order was taken out of it")
	}
	if _, begun := begin(next+5, second.EffectID, third.EffectID); !begun {
		t.Error("not begun after the third order was taken out of the cart")
	}
}

// What a cart does not tell any more, because it is long ago, keeps nobody away.
func TestAnOldCheckoutOfACartKeepsNobodyAway(t *testing.T) {
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	s := store.NewCheckouts(db)
	for i, age := range []time.Duration{11 * time.Minute, 0} {
		run := runOf("7", strconv.Itoa(i), strconv.FormatInt(ids.FirstAt(time.Now().Add(-age)), 10))
		if begun, err := s.Begin(t.Context(), run, recordOf(run), nil); !begun || err != nil {
			t.Fatalf("checkout %d: %v, %v", i, begun, err)
		}
		if err := s.End(t.Context(), run, keyed.Created(nil)); err != nil {
			t.Fatal(err)
		}
	}
}

// A checkout whose process died is ended by the next one, once.
func TestADeadCheckoutIsEnded(t *testing.T) {
	for placed, want := range map[bool]string{true: "placed  f", false: "refused " + checkout.CodeExpired + " f"} {
		db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
		s, run := store.NewCheckouts(db), runOf("7", "k", "1")
		if _, err := s.Begin(t.Context(), run, recordOf(run), nil); err != nil {
			t.Fatal(err)
		}
		for _, as := range []bool{placed, !placed} {
			if err := s.EndTaker(t.Context(), "1", as); err != nil {
				t.Fatal(err)
			}
		}
		if got := query(t, db, "SELECT concat_ws(' ', state, refusal, takes_cart) FROM checkouts"); got != want {
			t.Errorf("placed %v: %q, want %q", placed, got, want)
		}
	}
}

// Many checkouts of one cart at the same moment: one begins.
func TestOneOfManyCheckoutsTakesTheCart(t *testing.T) {
	db := postgrestest.Open(t, idempotency.Migrations, store.Migrations)
	s, next := store.NewCheckouts(db), ids.FirstAt(time.Now())
	var wg sync.WaitGroup
	var won atomic.Int64
	for i := range int64(16) {
		wg.Go(func() {
			run := runOf("7", strconv.FormatInt(i, 10), strconv.FormatInt(next+i, 10))
			begun, err := s.Begin(t.Context(), run, recordOf(run), nil)
			if err != nil {
				t.Error(err)
			}
			if begun {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d began", won.Load())
	}
}
