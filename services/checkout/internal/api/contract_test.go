package api_test

import (
	"log/slog"
	"testing"

	"daprmall.dev/services/checkout/internal/api"
	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/idempotency"
)

// No peer calls checkout, and no event reaches it.
func TestCheckoutKeepsItsContract(t *testing.T) {
	s := contractstest.NewServer("checkout")
	api.Routes(s, idempotency.New(nil, nil, nil, slog.New(slog.DiscardHandler)), nil, nil)
	contractstest.CheckRoom(t, "checkout", s, nil)
}
