package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

func shown(c order.Changes) (all []string) {
	for _, i := range c.Items {
		all = append(all, fmt.Sprintf("%s/%d %s %s", i.OrderID, i.Position, i.Status, i.Reason))
	}
	return all
}

func changes(t *testing.T, orders *order.Service, after string) order.Changes {
	t.Helper()
	c, err := orders.Changes(t.Context(), after)
	if err != nil || c.Lost {
		t.Fatalf("changes after %s: lost %v, %v", after, c.Lost, err)
	}
	return c
}

// settle waits until a cursor of now covers all that was committed before. A transaction of another test, in the same
// PostgreSQL, holds cursors back, and entries come again: those who follow know them by their position.
func settle(t *testing.T, db *gorm.DB) {
	t.Helper()
	read := func(what string) (n uint64) {
		if err := db.Raw("SELECT " + what + "(pg_current_snapshot())::text::bigint").Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		return n
	}
	for now := read("pg_snapshot_xmax"); read("pg_snapshot_xmin") < now; {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A history comes with the cursor from which on the changes follow, and only its owner reads it.
func TestAHistoryAndTheChangesAfterItAreAllStates(t *testing.T) {
	db, orders := open(t)
	if _, err := orders.Place(t.Context(), draft("100", "7")); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"8", ""} {
		if _, _, err := orders.History(t.Context(), "100", user); problem.KindOf(err) != problem.NotFound {
			t.Errorf("user %q: %v, want not found", user, err)
		}
	}
	entries, cursor, err := orders.History(t.Context(), "100", "7")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	if _, err := orders.Cancel(t.Context(), "100", "7", ""); err != nil {
		t.Fatal(err)
	}
	settle(t, db)
	c := changes(t, orders, cursor)
	if got, want := shown(c), []string{"100/1 cancelled cancelled_by_shopper"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if again := changes(t, orders, c.Next); len(again.Items) > 0 {
		t.Errorf("%v again", shown(again))
	}
}

// A transaction that began early and commits late is not skipped, though others have committed and been told meanwhile.
func TestALateCommitIsNotSkipped(t *testing.T) {
	db, orders := open(t)
	for _, id := range []string{"100", "101"} {
		if _, err := orders.Place(t.Context(), draft(id, "7")); err != nil {
			t.Fatal(err)
		}
	}
	_, cursor, err := orders.History(t.Context(), "100", "7")
	if err != nil {
		t.Fatal(err)
	}
	err = postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		if _, err := orders.Cancel(ctx, "100", "7", ""); err != nil {
			return err
		}
		if _, err := orders.Cancel(t.Context(), "101", "7", ""); err != nil { // outside the transaction
			return err
		}
		c := changes(t, orders, cursor)
		if got, want := shown(c), []string{"101/1 cancelled cancelled_by_shopper"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		cursor = c.Next
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(changes(t, orders, cursor)); !slices.Contains(got, "100/1 cancelled cancelled_by_shopper") {
		t.Errorf("%v: what was committed late is missing", got)
	}
}

// Whatever runs at the same time, who follows sees each state of each order.
func TestWhoFollowsSeesEveryState(t *testing.T) {
	const many = 60
	_, orders := open(t)
	if _, err := orders.Place(t.Context(), draft("100", "7")); err != nil {
		t.Fatal(err)
	}
	_, cursor, err := orders.History(t.Context(), "100", "7")
	if err != nil {
		t.Fatal(err)
	}
	var shoppers sync.WaitGroup
	for i := range many {
		shoppers.Go(func() {
			id := order.ID(strconv.Itoa(200 + i))
			if _, err := orders.Place(t.Context(), draft(string(id), strconv.Itoa(1000+i))); err != nil {
				t.Error(err)
			}
			if err := orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: id,
				Payment: order.Payment{ID: "9" + string(id), Amount: 255, Currency: "CNY"}}); err != nil {
				t.Error(err)
			}
			if err := orders.CancelOutOfStock(t.Context(), id); err != nil {
				t.Error(err)
			}
			if err := orders.MarkRefunded(t.Context(), id, "9"+string(id)); err != nil {
				t.Error(err)
			}
		})
	}
	last := map[order.ID]int{}
	done := 0
	for done < many {
		if t.Context().Err() != nil {
			t.Fatalf("%d of %d orders were followed to their end", done, many)
		}
		c := changes(t, orders, cursor)
		cursor = c.Next
		for _, i := range c.Items {
			switch {
			case i.Position > last[i.OrderID]+1:
				t.Errorf("order %s: after %d came %d", i.OrderID, last[i.OrderID], i.Position)
			case i.Position == last[i.OrderID]+1:
				last[i.OrderID] = i.Position
				if i.Status == order.Refunded {
					done++
				}
			}
		}
	}
	shoppers.Wait()
}

// A cursor of another database's life, and one after which too much has happened, are answered with Lost.
func TestACursorThatIsOfNoUseIsLost(t *testing.T) {
	db, orders := open(t)
	s := store.New(db, outbox.New(db, "order", nil, slog.Default()))
	cursor, err := s.Cursor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"100", "101"} {
		if _, err := orders.Place(t.Context(), draft(id, "7")); err != nil {
			t.Fatal(err)
		}
		if _, err := orders.Cancel(t.Context(), order.ID(id), "7", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what, after string
		limit       int
		lost        bool
	}{{"enough", cursor, 2, false}, {"too much", cursor, 1, true}, {"the future", "9000000000000000", 10, true}} {
		got, err := s.Changes(t.Context(), c.after, c.limit)
		if err != nil || got.Lost != c.lost || got.Next == "" {
			t.Errorf("%s: %+v, %v; want lost %v and a cursor", c.what, got, err, c.lost)
		}
	}
	// A dump that was read into a new cluster has entries with numbers that the new one has not reached.
	if err := db.Exec("UPDATE order_history SET written_by = '8000000000000000'").Error; err != nil {
		t.Fatal(err)
	}
	if got := shown(changes(t, orders, cursor)); len(got) > 0 {
		t.Errorf("%v is not of this cluster", got)
	}
}

// An order that comes back from the archive is not told again.
func TestAnOrderFromTheArchiveIsNoChange(t *testing.T) {
	db, orders := openWith(t, -time.Minute, 0)
	old := draft("100", "7")
	if _, err := orders.Place(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Cancel(t.Context(), "100", "7", ""); err != nil {
		t.Fatal(err)
	}
	move := func(_ context.Context, tx *gorm.DB) error { return store.MoveAll(tx) }
	if err := postgres.InTx(t.Context(), db, move); err != nil {
		t.Fatal(err)
	}
	settle(t, db)
	_, cursor, err := orders.History(t.Context(), "100", "7")
	if err != nil {
		t.Fatal(err)
	}
	if err := orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: "100",
		Payment: order.Payment{ID: "9100", Amount: 255, Currency: "CNY"}}); err != nil {
		t.Fatal(err)
	}
	if err := orders.MarkRefunded(t.Context(), "100", "9100"); err != nil {
		t.Fatal(err)
	}
	want := []string{"100/2 refunded money_returned"}
	if got := shown(changes(t, orders, cursor)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
