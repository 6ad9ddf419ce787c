package main

import (
	"fmt"
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

// settings are what operators may change while payment runs.
type settings struct {
	// of new attempts; begun ones keep theirs. A chosen one is never replaced by a default
	provider     func() string
	returnURL    func() string        // where a bank's page sends shoppers back to; "": the provider's script decides
	archiveAfter func() time.Duration // how old a finished bill is when it is archived
	known        map[string]bool      // names of the providers that are set up: filled before the settings are read
}

func declareSettings(l *config.Live) settings {
	s := settings{known: map[string]bool{}}
	provider := keys.PaymentProvider
	s.provider = config.Setting(l, provider.Name, provider.Standard(), func(name string) (string, error) {
		if !s.known[name] {
			return "", fmt.Errorf("no payment provider %q is set up", name)
		}
		return name, nil
	}, config.Options(provider)...)
	s.returnURL = config.Of(l, keys.PaymentReturnURL)
	s.archiveAfter = config.Of(l, keys.ArchiveAfter)
	return s
}
