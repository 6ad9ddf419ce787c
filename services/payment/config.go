package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/config"
)

// settings are what operators may change while payment runs.
type settings struct {
	provider  func() string        // of new attempts; attempts keep the one they began with. Never replaced by a default once it was chosen
	returnURL func() string        // where a bank's page sends shoppers back to; "" leaves that to the provider's script
	archive   func() time.Duration // how old a finished bill is when it is archived
	known     map[string]bool      // the providers that are set up: filled before the settings are read
}

func declare(l *config.Live) settings {
	s := settings{known: map[string]bool{}}
	s.provider = l.String("payment.provider", "sandbox", func(name string) error {
		if !s.known[name] {
			return fmt.Errorf("no payment provider %q is set up", name)
		}
		return nil
	}, config.Chosen)
	s.returnURL = l.String("payment.return_url", "", func(text string) error {
		if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return errors.New("want a whole address, https://…")
		}
		return nil
	})
	s.archive = archive.After(l)
	return s
}
