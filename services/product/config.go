package main

import (
	"errors"
	"time"

	"daprmall.dev/services/kit/config"
)

// settings are what may change while the room runs.
type settings struct {
	currency func() string
	holdTTL  func() time.Duration
}

func newSettings(live *config.Live) settings {
	return settings{
		currency: live.String("mall.currency", "CNY", isCurrency),
		// Long enough for a checkout to place its order, short enough that what a dead
		// one held comes back while shoppers wait for it.
		holdTTL: live.Duration("product.hold_ttl", time.Minute, 5*time.Second, time.Hour),
	}
}

func isCurrency(s string) error {
	if len(s) != 3 {
		return errors.New("must be an ISO 4217 code")
	}
	for _, r := range s {
		if r < 'A' || r > 'Z' {
			return errors.New("must be an ISO 4217 code")
		}
	}
	return nil
}
