package api

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
	"daprmall.dev/services/product/internal/inventory/inventorytest"
	"daprmall.dev/services/product/internal/store"
)

func TestProductKeepsItsContract(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, idempotency.Migrations, outbox.Migrations, inbox.Migrations, store.Migrations)
	gate, metrics := inventorytest.NewGate(), NewMetrics(prometheus.NewRegistry())
	out, in := outbox.New(db, "product", nil, log), inbox.New(db, nil, log)
	st := store.New(db, out, func(items []inventory.Apply) { _ = gate.Apply(t.Context(), items) })
	stock := inventory.NewService(st, gate, func() time.Duration { return time.Minute }, metrics)
	products := catalog.NewService(st, stock, openToAll{}, nil, nil, func() string { return "CNY" }, time.Now)
	_, err := products.Create(
		t.Context(), "501", catalog.Actor{UserID: "5", Seller: true},
		catalog.CreateParams{Name: "Teapot", Description: "Holds a litre.", Price: 12900, Stock: 100},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := contractstest.NewServer("product")
	Routes(s, in, out, idempotency.New(db, nil, nil, log), products, stock, nil, nil, nil)
	refusals := contractstest.FeedRefusals(t, func(sql string) error { return db.Exec(sql).Error })
	contractstest.CheckService(t, "product", s, in, refusals...)
}

// openToAll lets every account sell.
type openToAll struct{}

func (openToAll) MaySell(context.Context, string) (bool, error) { return true, nil }
