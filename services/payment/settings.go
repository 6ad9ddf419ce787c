package main

import (
	"fmt"
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/payment/internal/payment"
)

// settings are what operators may change while payment runs.
type settings struct {
	// of new attempts; begun ones keep theirs. A chosen one is never replaced by a default
	provider     func() string
	returnURL    func() string        // where a bank's page sends shoppers back to; "": the provider's script decides
	archiveAfter func() time.Duration // how old a finished bill is when it is archived
	providers    providers            // those that are set up: filled before the settings are read
}

type providers map[string]payment.Provider

// check refuses a provider that is not set up, and one that cannot charge the mall's currency.
func (p providers) check(name, currency string) error {
	provider := p[name]
	switch {
	case provider == nil:
		return fmt.Errorf("no payment provider %q is set up", name)
	case !provider.Charges(currency):
		return fmt.Errorf("the payment provider %s cannot charge %s", name, currency)
	}
	return nil
}

func declareSettings(l *config.Live) settings {
	s := settings{providers: providers{}}
	// Bills have the currency of their order. It is read here so that one that nobody could pay is refused when it is set.
	var currency func() string
	provider := keys.PaymentProvider
	s.provider = config.Setting(l, provider.Name, provider.Standard(), func(name string) (string, error) {
		return name, s.providers.check(name, currency())
	}, config.Options(provider)...)
	currency = config.Setting(l, keys.Currency.Name, keys.Currency.Standard(), func(code string) (string, error) {
		code, err := keys.Currency.Parse(code)
		if err != nil {
			return "", err
		}
		return code, s.providers.check(s.provider(), code)
	}, config.Options(keys.Currency)...)
	s.returnURL = config.Of(l, keys.PaymentReturnURL)
	s.archiveAfter = config.Of(l, keys.ArchiveAfter)
	return s
}
