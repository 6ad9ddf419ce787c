package main

import (
	"time"

	"daprmall.dev/services/kit/config"
)

// settings are what operators may change while auth runs; they hold for tokens issued from then on.
type settings struct {
	accessTTL  func() time.Duration
	refreshTTL func() time.Duration
}

func declare(l *config.Live) settings {
	return settings{
		accessTTL:  l.Duration("auth.access_ttl", 15*time.Minute, time.Second, 24*time.Hour), // at most auth.RevocationTTL less an hour
		refreshTTL: l.Duration("auth.refresh_ttl", 7*24*time.Hour, time.Minute, 90*24*time.Hour),
	}
}
