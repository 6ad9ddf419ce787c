package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/contracts/paymentv1"
	"daprmall.dev/services/contracts/stockv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/inbox/inboxtest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/order/internal/api"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

// Two replicas handle payments and rejections of stock at the same time: orders that one marks paid are out of stock
// for the other. If events were handled type by type, they would lock the orders in opposite order.
func TestMixedBatchesOfTwoReplicasDoNotDeadlock(t *testing.T) {
	const rounds, half = 10, 40
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, outbox.Migrations, inbox.Migrations, store.Migrations)
	deadlocks := postgrestest.Deadlocks(t, db)
	out := outbox.New(db, "order", nil, log)
	orders := order.NewService(store.New(db, out), nil, func() time.Duration { return time.Hour },
		func() time.Duration { return 0 })
	for n := range 2 * rounds * half {
		_, err := orders.Place(t.Context(), order.Draft{ID: order.ID(fmt.Sprint(1 + n)), UserID: "7", Currency: "CNY",
			Lines: []order.Line{{ProductID: "11", SellerID: "3", Name: "Tea", Price: 100, Quantity: 1}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	replicas := make([]*inbox.Inbox, 2)
	for i := range replicas {
		replicas[i] = inbox.New(db, nil, log)
		api.Routes(contractstest.NewServer("order"), replicas[i], out, idempotency.New(db, nil, nil, log), orders)
	}
	began := time.Now()
	inboxtest.Together(t, replicas, rounds, func(round, i int) [][]byte {
		batch := make([][]byte, 2*half)
		for n := range batch {
			id := 1 + round*len(batch) + n
			if (n < half) == (i == 0) {
				batch[n] = event(t, "payment", paymentv1.TypeSucceeded, id,
					paymentv1.Succeeded{OrderID: fmt.Sprint(id), PaymentID: fmt.Sprint(90_000 + id), Amount: 100, Currency: "CNY"})
			} else {
				batch[n] = event(t, "product", stockv1.TypeRejected, id, stockv1.Rejected{OrderID: fmt.Sprint(id)})
			}
		}
		return batch
	})
	t.Logf("%d events in %v, %d deadlocks", 4*rounds*half, time.Since(began).Round(time.Millisecond), deadlocks.Load())
	var found struct{ Waiting, Parked int }
	err := db.Raw(`SELECT count(*) FILTER (WHERE status = 'awaiting_payment') AS waiting,
		(SELECT count(*) FROM inbox WHERE status <> 'done') AS parked FROM orders`).Scan(&found).Error
	if err != nil || found.Waiting > 0 || found.Parked > 0 {
		t.Errorf("%+v, %v; want no order that awaits payment and nothing parked", found, err)
	}
	if n := deadlocks.Load(); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}

func event(t *testing.T, source, kind string, order int, fact any) []byte {
	t.Helper()
	data, err := json.Marshal(fact)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(outbox.CloudEvent{SpecVersion: "1.0", ID: fmt.Sprintf("%s of %d", kind, order),
		Source: source, Type: kind,
		Subject: fmt.Sprint(order), Time: time.Now(), DataContentType: "application/json", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
