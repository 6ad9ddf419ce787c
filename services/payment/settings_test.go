package main

import (
	"testing"

	"daprmall.dev/services/payment/internal/sandbox"
	"daprmall.dev/services/payment/internal/stripe"
)

// A currency and a provider that cannot charge it are refused when they are set.
func TestAProviderMustBeAbleToChargeTheCurrency(t *testing.T) {
	set := providers{"sandbox": sandbox.New(nil), "stripe": stripe.New(stripe.Config{APIKey: "sk_test_1"})}
	for _, c := range []struct {
		provider, currency string
		fits               bool
	}{
		{"sandbox", "LYD", true}, {"stripe", "CNY", true}, {"stripe", "JPY", true}, {"stripe", "UGX", true},
		{"stripe", "KWD", true}, {"stripe", "LYD", false}, {"stripe", "IQD", false}, {"stripe", "XYZ", false},
		{"paypal", "CNY", false},
	} {
		if err := set.check(c.provider, c.currency); (err == nil) != c.fits {
			t.Errorf("%s with %s: %v", c.provider, c.currency, err)
		}
	}
}
