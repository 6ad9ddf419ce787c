//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// Whoever tries a list of cards is stopped after a few; another shopper is not.
func TestTriesOfDeclinedCardsAreLimited(t *testing.T) {
	setting(t, map[string]string{"gateway.rate.declined": "0.001/5"})
	me, address := shopper(t)
	p := product(t, "Card tea", 100, 10)
	mine := order(t, me, address, p.ID, 1)
	stopped := func() error {
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
		return fmt.Errorf("twenty declined cards were all tried")
	}
	if err := eventually(t.Context(), waitFor, stopped); err != nil { // the setting comes into force meanwhile
		t.Fatal(err)
	}
	other, address := shopper(t)
	theirs := order(t, other, address, p.ID, 1)
	if a, err := other.Pay(t.Context(), apiclient.Key(), theirs.ID, apiclient.CardGood); err != nil ||
		a.Status != http.StatusCreated {
		t.Errorf("another shopper pays: %s, %v", a, err)
	}
}
