//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// A shopper whose cards are declined again and again gets 429, because they may be testing stolen cards. Another
// shopper can still pay.
func TestDeclinedCardsAreLimitedPerShopper(t *testing.T) {
	setting(t, map[string]string{"gateway.rate.declined": "0.001/5"})
	me, address := shopper(t)
	p := product(t, "Card tea", 100, 10)
	mine := order(t, me, address, p.ID, 1)
	limited := func() error {
		for range 20 {
			a, err := me.Pay(t.Context(), apiclient.Key(), mine.ID, apiclient.CardDeclined)
			if err != nil {
				return err
			}
			if a.Status == http.StatusTooManyRequests && a.Header.Get("Retry-After") != "" {
				return nil
			}
			if a.Code() != "card_declined" {
				return fmt.Errorf("a declined card: %s", a)
			}
		}
		return fmt.Errorf("20 declined cards were all answered with card_declined, want 429")
	}
	if err := eventually(t.Context(), waitFor, limited); err != nil { // the gateway reads the new setting after a while
		t.Fatal(err)
	}
	other, address := shopper(t)
	theirs := order(t, other, address, p.ID, 1)
	if a, err := other.Pay(t.Context(), apiclient.Key(), theirs.ID, apiclient.CardGood); err != nil ||
		a.Status != http.StatusCreated {
		t.Errorf("another shopper pays: %s, %v", a, err)
	}
}
