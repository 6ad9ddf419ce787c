package stripe

import (
	"testing"

	"daprmall.dev/services/kit/money"
)

// The lists say how Stripe counts. How many decimals the mall's amounts have is said by kit/money, and nowhere else.
func TestListsAgreeWithISO4217(t *testing.T) {
	for _, l := range []struct {
		codes    []string
		exponent int
	}{{twoDecimals, 2}, {hundredth, 2}, {noDecimals, 0}, {hundredfold, 0}, {threeDecimals, 3}} {
		for _, code := range l.codes {
			if got := money.Exponent(code); got != l.exponent {
				t.Errorf("%s has %d decimals, the list says %d", code, got, l.exponent)
			}
		}
	}
}
