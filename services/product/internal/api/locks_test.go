package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/contracts/orderv1"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/inbox/inboxtest"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
	"daprmall.dev/services/product/internal/inventory/inventorytest"
	"daprmall.dev/services/product/internal/store"
)

// Two replicas handle batches of placed and paid orders at the same time, for the same products. If events were handled
// type by type, they would lock the products' stock in opposite order.
func TestMixedBatchesOfTwoReplicasDoNotDeadlock(t *testing.T) {
	const count, rounds, half = 40, 20, 40
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, outbox.Migrations, inbox.Migrations, store.Migrations)
	deadlocks := postgrestest.Deadlocks(t, db)
	metrics := NewMetrics(prometheus.NewRegistry())
	out := outbox.New(db, "product", nil, log)
	st := store.New(db, out, nil)
	stock := inventory.NewService(st, inventorytest.NewGate(), func() time.Duration { return time.Minute }, metrics)
	products := catalog.NewService(st, stock, nil, nil, nil, func() string { return "CNY" }, time.Now)
	for id := range count {
		_, err := products.Create(t.Context(), fmt.Sprint(100+id), catalog.Actor{UserID: "5", Seller: true},
			catalog.CreateParams{Name: "Teapot", Description: "Holds a litre.", Price: 12900, Stock: 10_000})
		if err != nil {
			t.Fatal(err)
		}
	}
	replicas := make([]*inbox.Inbox, 2)
	for i := range replicas {
		replicas[i] = inbox.New(db, nil, log)
		Routes(contractstest.NewServer("product"), replicas[i], out, idempotency.New(db, nil, nil, log),
			products, stock, nil, nil, nil)
	}
	began, order := time.Now(), 1000
	inboxtest.Together(t, replicas, rounds, func(_, i int) [][]byte {
		var batch [][]byte
		for n := range 2 * half {
			// Replica 0 handles placed orders of the lower products and paid orders of the upper ones, replica 1 the other way
			// round.
			kind, id := orderv1.TypePlaced, n%half*count/(2*half)
			if n >= half {
				kind = orderv1.TypePaid
			}
			if (n >= half) == (i == 0) {
				id += count / 2
			}
			order++
			batch = append(batch, orderEvent(t, kind, order, 100+id))
		}
		return batch
	})
	t.Logf("%d events in %v, %d deadlocks", 4*rounds*half, time.Since(began).Round(time.Millisecond), deadlocks.Load())
	var sum struct{ OnHand, Reserved, Parked int64 }
	err := db.Raw(`SELECT sum(on_hand) AS on_hand, sum(reserved) AS reserved,
		(SELECT count(*) FROM inbox WHERE status <> 'done') AS parked FROM stock`).Scan(&sum).Error
	if want := int64(2 * rounds * half); err != nil || sum.Reserved != want || sum.OnHand != count*10_000-want ||
		sum.Parked > 0 {
		t.Errorf("%+v, %v; want %d reserved, %d sold and nothing parked", sum, err, want, want)
	}
	if n := deadlocks.Load(); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}

func orderEvent(t *testing.T, kind string, order, productID int) []byte {
	t.Helper()
	lines := []orderv1.EventLine{{ProductID: fmt.Sprint(productID), Quantity: 1}}
	data, err := json.Marshal(orderv1.Placed{OrderID: fmt.Sprint(order), Lines: lines})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(
		outbox.CloudEvent{SpecVersion: "1.0", ID: fmt.Sprintf("%s of %d", kind, order), Source: "order", Type: kind,
			Subject: fmt.Sprint(order), Time: time.Now(), DataContentType: "application/json", Data: data},
	)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
