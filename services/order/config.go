package main

import (
	"time"

	"daprmall.dev/services/kit/archive"
	"daprmall.dev/services/kit/config"
)

// settings are what operators may change while order runs.
type settings struct {
	paymentTimeout func() time.Duration // how long a shopper has to pay
	cancelGrace    func() time.Duration // how long after that the order is cancelled: a charge under way may end
	archiveAfter   func() time.Duration // how old a finished order is when it is archived
}

func declare(l *config.Live) settings {
	return settings{
		paymentTimeout: l.Duration("order.payment_timeout", 15*time.Minute, time.Second, 30*24*time.Hour),
		cancelGrace:    l.Duration("order.cancel_grace", 15*time.Second, time.Second, time.Hour),
		archiveAfter:   archive.After(l),
	}
}
