package main

import (
	"time"

	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

// settings are what operators may change while checkout runs.
type settings struct {
	fee, freeFrom func() int64 // shipping: the fee, and the subtotal from which it is free
	currency      func() string
	archiveAfter  func() time.Duration // how old a checkout is when it is archived
}

func declareSettings(l *config.Live) settings {
	return settings{
		fee:          config.Of(l, keys.ShippingFee),
		freeFrom:     config.Of(l, keys.FreeShippingFrom),
		currency:     config.Of(l, keys.Currency),
		archiveAfter: config.Of(l, keys.ArchiveAfter),
	}
}

func (s settings) shipping() checkout.Shipping {
	return checkout.Shipping{Fee: s.fee(), FreeFrom: s.freeFrom()}
}
