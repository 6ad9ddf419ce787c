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
	maxOpenOrders func() int64         // unpaid ones of a shopper; 0: any number
	maxHeldUnits  func() int64         // of one product in a shopper's unpaid orders and running checkouts; 0: any number
	archiveAfter  func() time.Duration // how old a checkout is when it is archived
}

func declareSettings(l *config.Live) settings {
	return settings{
		fee:           config.Of(l, keys.ShippingFee),
		freeFrom:      config.Of(l, keys.FreeShippingFrom),
		currency:      config.Of(l, keys.Currency),
		maxOpenOrders: config.Of(l, keys.MaxOpenOrders),
		maxHeldUnits:  config.Of(l, keys.MaxHeldUnits),
		archiveAfter:  config.Of(l, keys.ArchiveAfter),
	}
}

func (s settings) shipping() checkout.Shipping {
	return checkout.Shipping{Fee: s.fee(), FreeFrom: s.freeFrom()}
}

func (s settings) caps() checkout.Caps {
	return checkout.Caps{OpenOrders: s.maxOpenOrders(), HeldUnits: s.maxHeldUnits()}
}
