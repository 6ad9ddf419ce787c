package api

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/product/internal/product"
	"daprmall.dev/services/product/internal/product/producttest"
	"daprmall.dev/services/product/internal/store"
)

func TestProductKeepsItsContract(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, idempotency.Migrations, outbox.Migrations, inbox.Migrations, store.Migrations)
	gate, meter := producttest.NewGate(), NewMetrics(prometheus.NewRegistry())
	out, in := outbox.New(db, "product", nil, log), inbox.New(db, nil, log)
	st := store.New(db, out, func(items []product.Apply) { _ = gate.Apply(t.Context(), items) })
	holds := product.NewHolds(st, gate, func() time.Duration { return time.Minute }, meter)
	catalogue := product.NewCatalogue(st, holds, func() string { return "CNY" }, time.Now)
	_, err := catalogue.Create(t.Context(), "501", product.Actor{UserID: "5", Seller: true}, product.CreateParams{Name: "Teapot", Description: "Holds a litre.", Price: 12900, Stock: 100})
	if err != nil {
		t.Fatal(err)
	}
	s := contractstest.NewServer("product")
	Routes(s, in, out, idempotency.New(db, nil, nil, log), catalogue, holds, product.NewLedger(st, meter))
	contractstest.CheckService(t, "product", s, in, contractstest.FeedRefusals(t, func(sql string) error { return db.Exec(sql).Error })...)
}
