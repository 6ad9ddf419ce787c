package main

import (
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

// settings are what may change while the service runs.
type settings struct {
	currency func() string
	holdTTL  func() time.Duration
	archive  func() time.Duration // how old what is finished is when it is archived
}

func newSettings(live *config.Live) settings {
	return settings{
		currency: config.Of(live, keys.Currency),
		// Long enough for a checkout to place its order, short enough that what a dead
		// one held comes back while shoppers wait for it.
		holdTTL: config.Of(live, keys.HoldTTL),
		archive: config.Of(live, keys.ArchiveAfter),
	}
}
