package main

import (
	"time"

	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/config"
)

// settings are what may change while the room runs.
type settings struct {
	currency func() string
	holdTTL  func() time.Duration
	archive  func() time.Duration // how old what is finished is when it is archived
}

func newSettings(live *config.Live) settings {
	return settings{
		currency: live.Currency(),
		// Long enough for a checkout to place its order, short enough that what a dead
		// one held comes back while shoppers wait for it.
		holdTTL: live.Duration("product.hold_ttl", time.Minute, 5*time.Second, time.Hour),
		archive: archive.After(live),
	}
}
