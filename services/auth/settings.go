package main

import (
	"time"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

// settings are what operators may change while auth runs; they apply to tokens issued afterwards.
type settings struct {
	accessTTL  func() time.Duration
	refreshTTL func() time.Duration
	sessionTTL func() time.Duration
	// keyRotation is how long a key signs before the next one replaces it; 0: only when somebody rotates.
	keyRotation func() time.Duration
}

func declareSettings(l *config.Live) settings {
	return settings{
		accessTTL:   config.Of(l, keys.AccessTTL), // at most auth.RevocationTTL less an hour
		refreshTTL:  config.Of(l, keys.RefreshTTL),
		sessionTTL:  config.Of(l, keys.SessionTTL),
		keyRotation: config.Of(l, keys.KeyRotation), // each key is published for 25 h after it was replaced
	}
}

func (s settings) lifetimes() auth.Lifetimes {
	return auth.Lifetimes{Refresh: s.refreshTTL(), Session: s.sessionTTL()}
}
