//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/services/contracts"
)

// Order's database is restored to an earlier state, and its feed continues with another history: it reuses positions
// that product has already read past, and goes further. The broker loses the new events. Product detects this, reports
// it, and reads the feed again: it misses no event of the new history, and events in both histories take effect once.
func TestAForkedFeedIsReadAgain(t *testing.T) {
	const stock, again, sold = 50, 5, 3 // two of the three sold orders are paid at positions that product has read past
	ctx := t.Context()
	me, address := shopper(t)
	p := product(t, "Forked tea", 300, stock)
	ledger, inbox := database(t, "order"), database(t, "product")
	buy := func(n int) (ids []string) {
		t.Helper()
		for range n {
			ids = append(ids, order(t, me, address, p.ID, 1).ID)
		}
		return ids
	}
	pay := func(ids []string) {
		t.Helper()
		for _, id := range ids {
			if a, err := me.Pay(ctx, apiclient.Key(), id, apiclient.CardGood); err != nil || a.Status != http.StatusCreated {
				t.Fatalf("pay: %s, %v", a, err)
			}
			waitOrder(t, me, id, "paid")
		}
	}
	const reserved = "SELECT reserved FROM stock WHERE product_id = $1"
	both := buy(again)
	err := eventually(ctx, waitFor, func() error {
		n, err := number(ctx, inbox, reserved, p.ID)
		if err == nil && n != again {
			err = fmt.Errorf("%d are reserved, want %d", n, again)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	restore := backup(t, ledger)
	pay(both) // the restored database does not contain this
	var list string
	if err := ledger.QueryRowContext(ctx,
		"SELECT string_agg(id, ',') FROM outbox WHERE key = ANY(string_to_array($1, ',')) AND type = 'mall.order.paid.v1'",
		strings.Join(both, ",")).Scan(&list); err != nil || strings.Count(list, ",") != again-1 {
		t.Fatalf("the events that will be lost are %q, %v", list, err)
	}
	head := "SELECT pos FROM outbox_head"
	var past int64
	kill(t, "product") // a service reads the feeds soon after it starts
	err = eventually(ctx, waitFor, func() (err error) {
		if past, err = number(ctx, ledger, head); err != nil {
			return err
		}
		at, err := number(ctx, inbox, "SELECT coalesce(min(pos), 0) FROM inbox_positions WHERE source = 'order'")
		if err == nil && at < past {
			err = fmt.Errorf("product has read order's feed to %d of %d", at, past)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	restore()
	if at, err := number(ctx, ledger, head); err != nil || at >= past {
		t.Fatalf("the restored feed ends at %d, %v, the lost one at %d", at, err, past)
	}
	ids := buy(sold)
	forked := metric(t, "product", "mall_inbox_feed_forked_total")
	up := down(t, "product", "product-daprd")
	pay(ids)
	deleteBrokerEvents(t, ledger)
	if at, err := number(ctx, ledger, head); err != nil || at <= past {
		t.Fatalf("the new feed ends at %d, %v, no further than the lost one at %d", at, err, past)
	}
	up()
	err = eventually(ctx, waitFor, func() error {
		n, err := number(ctx, inbox,
			"SELECT count(*) FROM inbox WHERE status = 'done' AND type = 'mall.order.paid.v1' AND key = "+
				"ANY(string_to_array($1, ','))", strings.Join(ids, ","))
		if err == nil && n != sold {
			err = fmt.Errorf("product knows of %d paid orders, want %d", n, sold)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if forked += metric(t, "product", "mall_inbox_feed_forked_total"); forked != 1 {
		t.Errorf("product detected another history %v times, want once", forked)
	}
	if log, err := os.ReadFile(home("log", "product.log")); err != nil ||
		!bytes.Contains(log, []byte("the feed has another history")) {
		t.Errorf("product's log does not report it, %v", err)
	}
	for _, id := range both { // payment's feed delivers their payments to order again
		waitOrder(t, me, id, "paid")
	}
	waitAvailable(t, p.ID, stock-sold-again)
	if n, err := number(ctx, inbox, "SELECT on_hand FROM stock WHERE product_id = $1 AND reserved = 0",
		p.ID); err != nil || n != stock-sold-again {
		t.Errorf("%d are left, %v, want %d and none reserved", n, err, stock-sold-again)
	}
	// The audit names the events that only the lost history contained. Without them it finds no violation.
	out, _ := mall(ctx, "audit")
	for _, id := range strings.Split(list, ",") {
		if !strings.Contains(out, id) {
			t.Errorf("the audit does not name the lost event %s:\n%s", id, out)
		}
	}
	for _, consumer := range contracts.ConsumersOf("order") {
		if _, err := database(t, consumer).ExecContext(ctx, "DELETE FROM inbox WHERE id = ANY(string_to_array($1, ','))",
			list); err != nil {
			t.Fatal(err)
		}
	}
	auditPatiently(t)
}
