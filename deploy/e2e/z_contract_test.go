//go:build e2e

package e2e

import "testing"

// TestZContract comes last: whatever the tests before asked for, every answer was as openapi.yaml says.
func TestZContract(t *testing.T) {
	for _, v := range violations {
		t.Error(v)
	}
}
