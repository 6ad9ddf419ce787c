package api_test

import (
	"log/slog"
	"testing"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/payment/internal/api"
)

func TestPaymentKeepsItsContract(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, outbox.Migrations)
	out, in := outbox.New(db, "payment", nil, log), inbox.New(db, nil, log)
	s := contractstest.NewServer("payment")
	api.Routes(s, in, out, idempotency.New(db, nil, nil, log), nil)
	contractstest.CheckService(t, "payment", s, in, contractstest.FeedRefusals(t,
		func(sql string) error { return db.Exec(sql).Error })...)
}
