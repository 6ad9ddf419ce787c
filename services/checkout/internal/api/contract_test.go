package api_test

import (
	"log/slog"
	"testing"

	"daprmall.dev/services/checkout/internal/api"
	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
	"daprmall.dev/services/kit/inbox"
)

// No other service calls checkout.
func TestCheckoutKeepsItsContract(t *testing.T) {
	s := contractstest.NewServer("checkout")
	log := slog.New(slog.DiscardHandler)
	in := inbox.New(nil, nil, log)
	api.Routes(s, in, idempotency.New(nil, nil, nil, log), nil, nil)
	contractstest.CheckService(t, "checkout", s, in)
}
