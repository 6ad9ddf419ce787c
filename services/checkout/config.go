package main

import (
	"daprmall.dev/services/checkout/internal/checkout"
	"daprmall.dev/services/kit/config"
)

// settings are what operators may change while checkout runs.
type settings struct {
	fee, freeFrom func() int64
	currency      func() string
}

func declare(l *config.Live) settings {
	return settings{
		fee:      l.Int("checkout.shipping_fee", 1000, 0, 1_000_000_000),
		freeFrom: l.Int("checkout.free_shipping_from", 20000, 0, 1_000_000_000_000),
		currency: l.Currency(),
	}
}

func (s settings) shipping() checkout.Shipping {
	return checkout.Shipping{Fee: s.fee(), FreeFrom: s.freeFrom()}
}
