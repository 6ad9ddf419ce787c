package api_test

import (
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/order/internal/api"
	"daprmall.dev/services/order/internal/order"
	"daprmall.dev/services/order/internal/store"
)

func TestOrderKeepsItsContract(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, outbox.Migrations, inbox.Migrations, idempotency.Migrations, store.Migrations)
	out, in := outbox.New(db, "order", nil, log), inbox.New(db, nil, log)
	orders := order.NewService(store.New(db, out), func() time.Duration { return time.Minute }, func() time.Duration { return 0 })
	s := contractstest.NewServer("order")
	api.Routes(s, in, out, idempotency.New(db, nil, nil, log), orders)
	contractstest.CheckRoom(t, "order", s, in)
}
