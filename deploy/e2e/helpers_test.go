//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

var errNotYet = errors.New("not yet")

// waitFor limits every wait. No test asserts how long something took below it.
const waitFor = 60 * time.Second

// order buys a product and returns the order.
func order(t *testing.T, c *apiclient.Client, address, productID string, quantity int64) apiclient.Order {
	t.Helper()
	a, err := c.Buy(t.Context(), apiclient.Key(), address, apiclient.Line{ProductID: productID, Quantity: quantity})
	if err != nil || a.Status != http.StatusCreated {
		t.Fatalf("checkout: %s, %v", a, err)
	}
	var o apiclient.Order
	if err := a.Into(&o); err != nil {
		t.Fatal(err)
	}
	return o
}
