package main

import (
	"time"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

// settings are what operators may change while order runs.
type settings struct {
	paymentTimeout func() time.Duration // how long a shopper has to pay
	cancelGrace    func() time.Duration // how long after that an order is cancelled, so that a running charge can finish
	archiveAfter   func() time.Duration // how old a finished order is when it is archived
}

func declareSettings(l *config.Live) settings {
	return settings{
		paymentTimeout: config.Of(l, keys.PaymentTimeout),
		cancelGrace:    config.Of(l, keys.CancelGrace),
		archiveAfter:   config.Of(l, keys.ArchiveAfter),
	}
}
