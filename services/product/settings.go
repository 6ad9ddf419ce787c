package main

import (
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

// settings are what operators may change while product runs.
type settings struct {
	currency func() string
	// holdTTL is how long a hold lives without an order. It is longer than a checkout takes to place its order, and short
	// enough that the stock held by a checkout that died is soon for sale again.
	holdTTL       func() time.Duration
	uploadsPerDay func() int64         // of a seller
	archiveAfter  func() time.Duration // how old a finished record is when it is archived
}

func declareSettings(l *config.Live) settings {
	return settings{
		currency:      config.Of(l, keys.Currency),
		holdTTL:       config.Of(l, keys.HoldTTL),
		uploadsPerDay: config.Of(l, keys.UploadsPerDay),
		archiveAfter:  config.Of(l, keys.ArchiveAfter),
	}
}
