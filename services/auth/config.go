package main

import (
	"fmt"
	"time"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/kit/config"
)

// settings are what operators may change while auth runs; they hold for tokens issued from then on.
type settings struct {
	accessTTL  func() time.Duration
	refreshTTL func() time.Duration
	sessionTTL func() time.Duration
	// keyRotation is how long a key signs before the next one does; 0: until somebody rotates.
	keyRotation func() time.Duration
}

func declare(l *config.Live) settings {
	const day = 24 * time.Hour
	return settings{
		accessTTL:  l.Duration("auth.access_ttl", 15*time.Minute, time.Second, day), // at most auth.RevocationTTL less an hour
		refreshTTL: l.Duration("auth.refresh_ttl", 7*day, time.Minute, 90*day),
		sessionTTL: l.Duration("auth.session_ttl", 30*day, time.Minute, 365*day),
		keyRotation: config.Setting(l, "auth.key_rotation", 90*day, func(text string) (time.Duration, error) {
			d, err := time.ParseDuration(text)
			if err == nil && d != 0 && (d < day || d > 10*365*day) { // each key is published for 25 h after it was followed
				err = fmt.Errorf("%s is neither 0 nor from 24h to 10 years", d)
			}
			return d, err
		}),
	}
}

func (s settings) lifetimes() auth.Lifetimes {
	return auth.Lifetimes{Refresh: s.refreshTTL(), Session: s.sessionTTL()}
}
