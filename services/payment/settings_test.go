package main

import (
	"context"
	"log/slog"
	"testing"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
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

type fakeStore map[string]config.Value

func (s fakeStore) Config(context.Context, []string) (map[string]config.Value, error) { return s, nil }

// Both may change at once, in whatever order they are read; a pair that does not fit stays away.
func TestProviderAndCurrencyChangeTogether(t *testing.T) {
	for range 30 { // the order of a map is random
		store := fakeStore{keys.Initialized: {Text: "yes"}, "mall.currency": {Text: "LYD", Version: 1}}
		live := config.NewLive(store, nil, slog.New(slog.DiscardHandler))
		s := declareSettings(live)
		s.providers["sandbox"], s.providers["stripe"] = sandbox.New(nil), stripe.New(stripe.Config{APIKey: "sk_test_1"})
		change := func(provider, currency, want string) {
			t.Helper()
			store["payment.provider"] = config.Value{Text: provider, Version: store["payment.provider"].Version + 1}
			store["mall.currency"] = config.Value{Text: currency, Version: store["mall.currency"].Version + 1}
			if err := live.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.provider(); got != want {
				t.Errorf("%s with %s: the provider is %s, want %s", provider, currency, got, want)
			}
		}
		change("sandbox", "LYD", "sandbox")
		change("stripe", "LYD", "sandbox")
		change("stripe", "CNY", "stripe")
		change("sandbox", "IQD", "sandbox")
		change("stripe", "EUR", "stripe")
	}
}
