package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

func open(t *testing.T) (*gorm.DB, *order.Service) {
	t.Helper()
	return openWith(t, time.Minute, 0)
}

func openWith(t *testing.T, timeout, grace time.Duration) (*gorm.DB, *order.Service) {
	t.Helper()
	db := postgrestest.Open(t, outbox.Migrations, store.Migrations)
	contractstest.CheckEventsAtEnd(t, db, "order")
	s := store.New(db, outbox.New(db, "order", nil, slog.Default()))
	return db, order.NewService(s, nil, func() time.Duration { return timeout }, func() time.Duration { return grace })
}

func draft(id, user string) order.Draft {
	return order.Draft{ID: order.ID(id), UserID: user, Currency: "CNY", Shipping: 5,
		Lines: []order.Line{{ProductID: "11", SellerID: "3", Name: "茶 tea", Price: 100, Quantity: 2},
			{ProductID: "12", SellerID: "3", Name: "cup", Price: 50, Quantity: 1}},
		Address: order.Address{Recipient: "Li", Street: "1 Road", City: "Wuhan", State: "Hubei", Country: "CN",
			PostalCode: "430000"}}
}

func events(t *testing.T, db *gorm.DB, id string) []string {
	t.Helper()
	var types []string
	if err := db.Raw("SELECT type FROM outbox WHERE key = ? ORDER BY seq", id).Scan(&types).Error; err != nil {
		t.Fatal(err)
	}
	return types
}

func TestPlaceIsIdempotentByID(t *testing.T) {
	db, orders := open(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			o, err := orders.Place(t.Context(), draft("100", "7"))
			if err != nil || o.Snapshot().Total != 255 {
				t.Errorf("place: %v", err)
			}
		})
	}
	wg.Wait()
	if got := events(t, db, "100"); len(got) != 1 {
		t.Errorf("events %v, want one placed", got)
	}
	if _, err := orders.Place(t.Context(), draft("100", "8")); problem.CodeOf(err) != "order_id_taken" {
		t.Errorf("another user's id: %v, want order_id_taken", err)
	}
	o, err := orders.Show(t.Context(), "100", order.Viewer{UserID: "7"})
	if err != nil || len(o.Snapshot().Lines) != 2 || o.Snapshot().Lines[0].Name != "茶 tea" ||
		len(o.Snapshot().History) != 1 {
		t.Errorf("show: %+v, %v", o, err)
	}
}

// A fence is final, and its answer agrees with a creation that happens at the same time.
func TestFenceExcludesCreation(t *testing.T) {
	_, orders := open(t)
	for i := range 30 {
		id := fmt.Sprint(200 + i)
		var exists bool
		var placeErr, fenceErr error
		var wg sync.WaitGroup
		wg.Go(func() { _, placeErr = orders.Place(t.Context(), draft(id, "7")) })
		wg.Go(func() { exists, fenceErr = orders.Fence(t.Context(), order.ID(id)) })
		wg.Wait()
		if fenceErr != nil {
			t.Fatal(fenceErr)
		}
		if exists != (placeErr == nil) {
			t.Fatalf("the fence answered exists=%v, the creation %v", exists, placeErr)
		}
		if placeErr != nil && problem.CodeOf(placeErr) != "checkout_expired" {
			t.Errorf("late creation: %v, want checkout_expired", placeErr)
		}
		again, err := orders.Fence(t.Context(), order.ID(id))
		if err != nil || again != exists {
			t.Errorf("second fence: %v, %v; want %v", again, err, exists)
		}
	}
}

// A cancellation and a payment race: one wins, and the other is handled accordingly.
func TestCancelRacesPayment(t *testing.T) {
	db, orders := open(t)
	for i := range 20 {
		id := fmt.Sprint(300 + i)
		if _, err := orders.Place(t.Context(), draft(id, "7")); err != nil {
			t.Fatal(err)
		}
		var cancelErr, payErr error
		var wg sync.WaitGroup
		wg.Go(func() { _, cancelErr = orders.Cancel(t.Context(), order.ID(id), "7", "1") })
		wg.Go(func() {
			payErr = orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: order.ID(id),
				Payment: order.Payment{ID: "9" + id, Amount: 255, Currency: "CNY"}})
		})
		wg.Wait()
		if payErr != nil {
			t.Fatal(payErr)
		}
		got := fmt.Sprint(events(t, db, id))
		want := "[mall.order.placed.v1 mall.order.cancelled.v1 mall.order.refund-requested.v1]"
		if cancelErr != nil {
			want = "[mall.order.placed.v1 mall.order.paid.v1]"
		}
		if got != want {
			t.Errorf("cancel: %v; events %s, want %s", cancelErr, got, want)
		}
	}
}

// The worker that cancels due orders races with a payment: one wins, and the other is handled accordingly.
func TestTimeoutRacesPayment(t *testing.T) {
	db, orders := openWith(t, -time.Second, 0)
	for i := range 20 {
		id := fmt.Sprint(900 + i)
		if _, err := orders.Place(t.Context(), draft(id, "7")); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := orders.CancelDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: order.ID(id),
				Payment: order.Payment{ID: "9" + id, Amount: 255, Currency: "CNY"}}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if _, err := orders.CancelDue(t.Context()); err != nil { // the worker skipped the order that the payment had locked
			t.Fatal(err)
		}
		o, err := orders.Find(t.Context(), order.ID(id))
		if err != nil {
			t.Fatal(err)
		}
		want := map[order.Status]string{order.Paid: "[mall.order.placed.v1 mall.order.paid.v1]",
			order.Cancelled: "[mall.order.placed.v1 mall.order.cancelled.v1 mall.order.refund-requested.v1]"}[o.Snapshot().
			Status]
		if got := fmt.Sprint(events(t, db, id)); got != want || want == "" {
			t.Errorf("order %s is %s with events %s, want %s", id, o.Snapshot().Status, got, want)
		}
	}
}

// A charge that began in time may finish: an order is cancelled only after its due time and the grace period have
// passed by the database's clock, however long the service was down.
func TestAnOrderIsCancelledAfterItsGracePeriod(t *testing.T) {
	db, orders := openWith(t, -time.Second, time.Minute)
	for _, id := range []string{"100", "101"} {
		if _, err := orders.Place(t.Context(), draft(id, "7")); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := orders.CancelDue(t.Context()); n != 0 || err != nil {
		t.Errorf("within the grace: %d cancelled, %v; want none", n, err)
	}
	if err := orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: "101",
		Payment: order.Payment{ID: "9", Amount: 255, Currency: "CNY"}}); err != nil {
		t.Fatal(err)
	}
	// as if all replicas were down
	if err := db.Exec("UPDATE orders SET payment_due_at = now() - interval '3 days'").Error; err != nil {
		t.Fatal(err)
	}
	if n, err := orders.CancelDue(t.Context()); n != 1 || err != nil {
		t.Errorf("after the grace: %d cancelled, %v; want the unpaid one", n, err)
	}
	if got := fmt.Sprint(events(t, db, "100"), events(t, db,
		"101")); got != "[mall.order.placed.v1 mall.order.cancelled.v1] [mall.order.placed.v1 mall.order.paid.v1]" {
		t.Errorf("events %s", got)
	}
}

// Whether stock turns out missing before or after the payment: the order is cancelled, and the payment is refunded
// exactly once.
func TestAnOrderOutOfStockIsRefundedOnce(t *testing.T) {
	db, orders := open(t)
	pay := func(id string) error {
		return orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: order.ID(id),
			Payment: order.Payment{ID: "9" + id, Amount: 255, Currency: "CNY"}})
	}
	lose := func(id string) error { return orders.CancelOutOfStock(t.Context(), order.ID(id)) }
	for id, steps := range map[string][]func(string) error{"100": {pay, lose, lose}, "101": {lose, pay, lose, pay}} {
		if _, err := orders.Place(t.Context(), draft(id, "7")); err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			if err := step(id); err != nil {
				t.Fatal(err)
			}
		}
		o, err := orders.Find(t.Context(), order.ID(id))
		if err != nil || o.Snapshot().Status != order.Cancelled || o.Snapshot().CancelReason != order.OutOfStock {
			t.Errorf("order %s: %+v, %v; want cancelled, out of stock", id, o, err)
		}
		refunds := 0
		for _, e := range events(t, db, id) {
			if e == "mall.order.refund-requested.v1" {
				refunds++
			}
		}
		if refunds != 1 {
			t.Errorf("order %s requests %d refunds, want one", id, refunds)
		}
		for range 2 {
			if err := orders.MarkRefunded(t.Context(), order.ID(id), "9"+id); err != nil {
				t.Fatal(err)
			}
		}
		if o, err := orders.Find(t.Context(), order.ID(id)); err != nil || o.Snapshot().Status != order.Refunded {
			t.Errorf("order %s after the refund: %+v, %v; want refunded", id, o, err)
		}
	}
}

// Payments in one batch are decided one by one: accepted, paid twice, too late.
func TestPaymentsOfABatchAreDecidedOneByOne(t *testing.T) {
	db, orders := open(t)
	pay := func(id, payment string) order.PaymentReceived {
		return order.PaymentReceived{OrderID: order.ID(id), Payment: order.Payment{ID: payment, Amount: 255, Currency: "CNY"}}
	}
	for _, id := range []string{"600", "601", "602", "603"} {
		if _, err := orders.Place(t.Context(), draft(id, "7")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := orders.Cancel(t.Context(), "602", "7", "1"); err != nil {
		t.Fatal(err)
	}
	if err := orders.ApplyPayments(t.Context(), pay("603", "93"),
		pay("999", "99")); problem.KindOf(err) != problem.NotFound {
		t.Errorf("with an order that does not exist: %v, want not found", err)
	}
	if err := orders.ApplyPayments(t.Context(), pay("602", "92"), pay("600", "90"), pay("601", "91"),
		pay("600", "95")); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"600": "paid v3 2 [mall.order.placed.v1 mall.order.paid.v1 mall.order.refund-requested.v1]",
		"601": "paid v2 2 [mall.order.placed.v1 mall.order.paid.v1]",
		"602": "cancelled v3 2 [mall.order.placed.v1 mall.order.cancelled.v1 mall.order.refund-requested.v1]",
		"603": "awaiting_payment v1 1 [mall.order.placed.v1]",
	} {
		o, err := orders.Find(t.Context(), order.ID(id))
		if err != nil {
			t.Fatal(err)
		}
		s := o.Snapshot()
		if got := fmt.Sprintf("%s v%d %d %v", s.Status, s.Version, len(s.History), events(t, db, id)); got != want {
			t.Errorf("order %s: %s, want %s", id, got, want)
		}
	}
	var versions []int64
	if err := db.Raw("SELECT aggregate_version FROM outbox WHERE key = '600' ORDER BY seq").Scan(&versions).
		Error; err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(versions) != "[1 2 3]" {
		t.Errorf("versions in the events of one order are %v, want a new one for each change", versions)
	}
}

// Replicas that handle overlapping batches lock the orders in the same order.
func TestBatchesOfPaymentsDoNotDeadlock(t *testing.T) {
	_, orders := open(t)
	var all []order.PaymentReceived
	for i := range 20 {
		id := order.ID(fmt.Sprint(700 + i))
		if _, err := orders.Place(t.Context(), draft(string(id), "7")); err != nil {
			t.Fatal(err)
		}
		all = append(all, order.PaymentReceived{OrderID: id, Payment: order.Payment{ID: "9" + string(id), Amount: 255,
			Currency: "CNY"}})
	}
	back := slices.Clone(all)
	slices.Reverse(back)
	var wg sync.WaitGroup
	for _, batch := range [][]order.PaymentReceived{all, back, all[5:], back[5:]} {
		wg.Go(func() {
			if err := orders.ApplyPayments(t.Context(), batch...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range all {
		if o, err := orders.Find(t.Context(), a.OrderID); err != nil || o.Snapshot().Status != order.Paid ||
			o.Snapshot().Version != 2 {
			t.Errorf("order %s: %+v, %v; want it paid once", a.OrderID, o, err)
		}
	}
}

// An order that was paid twice and then was out of stock becomes refunded when its own payment is refunded, whichever
// refund comes first.
func TestARefundOfASecondPaymentDoesNotRefundTheOrder(t *testing.T) {
	_, orders := open(t)
	if _, err := orders.Place(t.Context(), draft("410", "7")); err != nil {
		t.Fatal(err)
	}
	for _, payment := range []string{"91", "92"} {
		if err := orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: "410",
			Payment: order.Payment{ID: payment, Amount: 255, Currency: "CNY"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := orders.CancelOutOfStock(t.Context(), "410"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		payment string
		want    order.Status
	}{{"92", order.Cancelled}, {"93", order.Cancelled}, {"91", order.Refunded}, {"91", order.Refunded}} {
		if err := orders.MarkRefunded(t.Context(), "410", step.payment); err != nil {
			t.Fatal(err)
		}
		if o, err := orders.Find(t.Context(), "410"); err != nil || o.Snapshot().Status != step.want {
			t.Errorf("after the refund of payment %s: %+v, %v; want %s", step.payment, o, err, step.want)
		}
	}
}

func TestARefundIsRequestedOncePerPayment(t *testing.T) {
	db, orders := open(t)
	if _, err := orders.Place(t.Context(), draft("400", "7")); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Cancel(t.Context(), "400", "7", "1"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := orders.ApplyPayments(t.Context(), order.PaymentReceived{OrderID: "400",
			Payment: order.Payment{ID: "9", Amount: 255, Currency: "CNY"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(events(t, db, "400")); got != 3 {
		t.Errorf("%d events, want placed, cancelled and one refund request", got)
	}
}

// Every replica looks for due orders every second, so it must not read all orders whose time has not come.
func TestTheSearchForDueOrdersReadsNoOthers(t *testing.T) {
	db, orders := openWith(t, time.Hour, 0)
	if _, err := orders.Place(t.Context(), draft("1", "7")); err != nil {
		t.Fatal(err)
	}
	err := db.Exec(`INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('id', 1000 + n,
			'open_slot', null))).*
		FROM orders o, generate_series(1, 5000) n`).Error
	if err == nil {
		err = db.Exec("ANALYZE orders").Error
	}
	if err != nil {
		t.Fatal(err)
	}
	err = postgres.InTx(t.Context(), db, func(ctx context.Context, tx *gorm.DB) error {
		if n, err := orders.CancelDue(ctx); n != 0 || err != nil {
			t.Errorf("%d cancelled, %v; want none: they are due in an hour", n, err)
		}
		var read int
		err := tx.Raw("SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = " +
			"'orders'").Scan(&read).Error
		if read > 10 {
			t.Errorf("%d orders were read to find that none is due", read)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Two replicas cancel due orders at the same time: each order is cancelled once.
func TestDueOrdersAreCancelledOnce(t *testing.T) {
	db, orders := openWith(t, -time.Second, 0)
	for i := range 20 {
		if _, err := orders.Place(t.Context(), draft(fmt.Sprint(500+i), "7")); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 2 {
		wg.Go(func() {
			n, err := orders.CancelDue(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	wg.Wait()
	if n, err := orders.CancelDue(t.Context()); n != 0 || err != nil {
		t.Errorf("afterwards: %d more, %v; want none", n, err)
	}
	if total != 20 {
		t.Errorf("cancelled %d, want 20", total)
	}
	if got := fmt.Sprint(events(t, db, "500")); got != "[mall.order.placed.v1 mall.order.cancelled.v1]" {
		t.Errorf("events %s", got)
	}
}

// A crash before the commit leaves neither a state nor an event.
func TestStateAndEventCommitTogether(t *testing.T) {
	db, orders := open(t)
	crash := errors.New("crash before commit")
	err := postgres.InTx(t.Context(), db, func(ctx context.Context, _ *gorm.DB) error {
		if _, err := orders.Place(ctx, draft("600", "7")); err != nil {
			return err
		}
		return crash
	})
	if !errors.Is(err, crash) {
		t.Fatal(err)
	}
	if _, err := orders.Find(t.Context(), "600"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("order after a crash: %v, want not found", err)
	}
	if got := events(t, db, "600"); len(got) != 0 {
		t.Errorf("events after a crash: %v", got)
	}
}

func TestAnOrderOfAnotherUserLooksMissing(t *testing.T) {
	_, orders := open(t)
	if _, err := orders.Place(t.Context(), draft("700", "7")); err != nil {
		t.Fatal(err)
	}
	_, show := orders.Show(t.Context(), "700", order.Viewer{UserID: "8"})
	_, cancel := orders.Cancel(t.Context(), "700", "8", "1")
	_, address := orders.ChangeAddress(t.Context(), "700", "8", order.Address{})
	for name, err := range map[string]error{"show": show, "cancel": cancel, "address": address} {
		if problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s by another user: %v, want not found", name, err)
		}
	}
	if _, err := orders.Show(t.Context(), "700", order.Viewer{UserID: "8", Admin: true}); err != nil {
		t.Errorf("shown to an admin: %v", err)
	}
}

func TestListPages(t *testing.T) {
	_, orders := open(t)
	for i := range 5 {
		if _, err := orders.Place(t.Context(), draft(fmt.Sprint(800+i), "7")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := orders.Cancel(t.Context(), "802", "7", "1"); err != nil {
		t.Fatal(err)
	}
	var got []string
	before := order.ID("")
	for {
		page, err := orders.List(t.Context(), "7", "", before, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			got = append(got, string(o.Snapshot().ID))
			before = o.Snapshot().ID
		}
		if len(page) < 2 {
			break
		}
	}
	if fmt.Sprint(got) != "[804 803 802 801 800]" {
		t.Errorf("pages: %v", got)
	}
	if page, err := orders.List(t.Context(), "7", order.Cancelled, "", 10); err != nil || len(page) != 1 {
		t.Errorf("cancelled: %d, %v; want 1", len(page), err)
	}
}

// Whatever names a buyer has used, no personal data stays; other users' orders do not change.
func TestABuyerIsAnonymized(t *testing.T) {
	_, orders := open(t)
	for id, address := range map[string]order.Address{
		"420": {Recipient: "Li", Phone: "123", Street: "1 Road", City: "Wuhan", Country: "CN"},
		"421": {Recipient: "-", Phone: "123", Street: "1 Road", City: "Wuhan", Country: "CN"},
		"422": {Recipient: "-", Phone: "", Street: "1 Road", City: "Wuhan", Country: "CN"},
	} {
		d := draft(id, "7")
		d.Address = address
		if _, err := orders.Place(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := orders.Place(t.Context(), draft("423", "8")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := orders.AnonymizeBuyer(t.Context(), "7"); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []order.ID{"420", "421", "422"} {
		o, err := orders.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if a := o.Snapshot().Address; a.Recipient != "-" || a.Phone != "" || a.Street != "-" || a.City != "Wuhan" {
			t.Errorf("order %s: %+v, want neither name, phone nor street", id, a)
		}
	}
	if o, err := orders.Find(t.Context(), "423"); err != nil || o.Snapshot().Address.Recipient != "Li" {
		t.Errorf("another user's order: %+v, %v", o, err)
	}
}
