package store_test

import (
	"fmt"
	"testing"

	"daprmall.dev/services/order/internal/order"
)

// A seller sees the own lines of orders that have been paid, newest first and page by page, also of archived ones. The
// address is there as long as there is something to send.
func TestASellerSeesWhatWasSoldAndPaid(t *testing.T) {
	db, orders := open(t)
	ctx := t.Context()
	place := func(id string, sellers ...string) {
		t.Helper()
		d := draft(id, "7")
		for i, seller := range sellers {
			d.Lines[i].SellerID, d.Lines[i].ImageURL = seller, "/"+seller+".svg"
		}
		if _, err := orders.Place(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	pay := func(id order.ID) {
		t.Helper()
		if err := orders.ApplyPayments(ctx, order.PaymentReceived{OrderID: id,
			Payment: order.Payment{ID: "9" + string(id), Amount: 255, Currency: "CNY"}}); err != nil {
			t.Fatal(err)
		}
	}
	place("100", "3", "4")
	place("101", "3", "3")
	place("102", "3", "4") // stays unpaid
	place("103", "4", "4")
	place("104", "3", "4") // is cancelled unpaid, and its late payment is refunded
	place("105", "4", "3")
	if _, err := orders.Cancel(ctx, "104", "7", ""); err != nil {
		t.Fatal(err)
	}
	for _, id := range []order.ID{"105", "104", "103", "101", "100"} {
		pay(id)
	}
	if err := orders.CancelOutOfStock(ctx, "101"); err != nil {
		t.Fatal(err)
	}
	list := func(seller string, status order.Status, before order.ID, limit int) string {
		t.Helper()
		sold, err := orders.ListSold(ctx, seller, status, before, limit)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range sold {
			text := fmt.Sprintf("%s %s", s.OrderID, s.Status)
			for _, l := range s.Lines {
				text += fmt.Sprintf(" %s%s", l.Name, l.ImageURL)
			}
			if s.Address != nil {
				text += " to " + s.Address.Recipient
			}
			if s.PaidAt.IsZero() {
				text += " unpaid"
			}
			all = append(all, text)
		}
		return fmt.Sprint(all)
	}
	for _, archived := range []bool{false, true} {
		if archived {
			archiveAll(t, db)
		}
		for _, c := range []struct {
			seller string
			status order.Status
			before order.ID
			limit  int
			want   string
		}{
			{"3", "", "", 20, "[105 paid cup/3.svg to Li 101 cancelled 茶 tea/3.svg cup/3.svg 100 paid 茶 tea/3.svg to Li]"},
			{"3", "", "", 1, "[105 paid cup/3.svg to Li]"},
			{"3", "", "105", 1, "[101 cancelled 茶 tea/3.svg cup/3.svg]"},
			{"3", order.Paid, "105", 20, "[100 paid 茶 tea/3.svg to Li]"},
			{"3", order.Refunded, "", 20, "[]"},
			{"5", "", "", 20, "[]"},
		} {
			if got := list(c.seller, c.status, c.before, c.limit); got != c.want {
				t.Errorf("archived %v: seller %s, status %q, before %q: %s, want %s", archived, c.seller, c.status, c.before,
					got, c.want)
			}
		}
	}
}
