//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// The logs show what happens: one line for every change of state.
func TestEveryChangeOfStateIsLoggedOnce(t *testing.T) {
	me, address := shopper(t)
	p := product(t, "Logged tea", 100, 5)
	adjustment := map[string]any{"delta": 3, "reason": "delivery"}
	err := seller.Want(t.Context(), http.StatusOK, http.MethodPost, "/v1/products/"+p.ID+"/stock", adjustment, nil,
		"Idempotency-Key", apiclient.Key())
	if err != nil {
		t.Fatal(err)
	}
	o := order(t, me, address, p.ID, 1)
	for _, card := range []string{apiclient.CardDeclined, apiclient.CardGood} {
		if _, err := me.Pay(t.Context(), apiclient.Key(), o.ID, card); err != nil {
			t.Fatal(err)
		}
	}
	waitOrder(t, me, o.ID, "paid")
	for service, want := range map[string][]string{
		"order":   {"mall.order.placed.v1 " + o.ID, "mall.order.paid.v1 " + o.ID},
		"payment": {"payment.failed " + o.ID, "mall.payment.succeeded.v1 " + o.ID},
		"product": {"stock.adjusted " + p.ID},
	} {
		err := eventually(t.Context(), waitFor, func() error {
			changes := changesOf(mustMall(t, "logs", service, "-n", "1000000"))
			for _, change := range want {
				if n := len(slices.DeleteFunc(slices.Clone(changes), func(c string) bool { return c != change })); n != 1 {
					return fmt.Errorf("%s logs %q %d times, want once", service, change, n)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func changesOf(log string) (changes []string) {
	for line := range strings.Lines(log) {
		var l struct{ Msg, Change, Subject string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "state changed" {
			changes = append(changes, l.Change+" "+l.Subject)
		}
	}
	return changes
}
