package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/inbox/inboxtest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/payment/internal/api"
	"daprmall.dev/services/payment/internal/payment"
	"daprmall.dev/services/payment/internal/store"
)

// Two replicas open and close bills at the same time: orders that are placed in the events of one are cancelled in
// those of the other. If events were handled type by type, they would insert the bills in opposite order.
func TestMixedBatchesOfTwoReplicasDoNotDeadlock(t *testing.T) {
	const rounds, half = 20, 40
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, outbox.Migrations, inbox.Migrations, store.Migrations)
	deadlocks := postgrestest.Deadlocks(t, db)
	out := outbox.New(db, "payment", nil, log)
	payments := payment.NewService(store.New(db, out), nil, nil, nil, func() string { return "" }, log)
	replicas := make([]*inbox.Inbox, 2)
	for i := range replicas {
		replicas[i] = inbox.New(db, nil, log)
		api.Routes(contractstest.NewServer("payment"), replicas[i], out, idempotency.New(db, nil, nil, log), payments)
	}
	began := time.Now()
	inboxtest.Together(t, replicas, rounds, func(round, i int) [][]byte {
		batch := make([][]byte, 2*half)
		for n := range batch {
			kind := orderv1.TypePlaced
			if (n >= half) == (i == 0) {
				kind = orderv1.TypeCancelled
			}
			batch[n] = orderEvent(t, kind, 1+round*len(batch)+n)
		}
		return batch
	})
	t.Logf("%d events in %v, %d deadlocks", 4*rounds*half, time.Since(began).Round(time.Millisecond), deadlocks.Load())
	var found struct{ Closed, Parked int }
	err := db.Raw(`SELECT count(*) FILTER (WHERE status = 'closed') AS closed,
		(SELECT count(*) FROM inbox WHERE status <> 'done') AS parked FROM bills`).Scan(&found).Error
	if err != nil || found.Closed != 2*rounds*half || found.Parked > 0 {
		t.Errorf("%+v, %v; want every one of %d bills closed and nothing parked", found, err, 2*rounds*half)
	}
	if n := deadlocks.Load(); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}

func orderEvent(t *testing.T, kind string, order int) []byte {
	t.Helper()
	data, err := json.Marshal(orderv1.Cancelled{OrderID: fmt.Sprint(order), UserID: "7", AggregateVersion: 2, Total: 5,
		Currency: "CNY", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(outbox.CloudEvent{SpecVersion: "1.0", ID: fmt.Sprintf("%s of %d", kind, order),
		Source: "order", Type: kind,
		Subject: fmt.Sprint(order), Time: time.Now(), DataContentType: "application/json", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
