package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/config"
)

type oneSetting map[string]config.Value

func (s oneSetting) Config(context.Context, []string) (map[string]config.Value, error) { return s, nil }

// A replaced key stays published for a day, so rotating every second would publish thousands of keys.
func TestKeyRotationHasAMinimumInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "24h": 24 * time.Hour, "1s": 90 * 24 * time.Hour,
		"23h": 90 * 24 * time.Hour, "-24h": 90 * 24 * time.Hour} {
		l := config.NewLive(oneSetting{"auth.key_rotation": {Text: text}}, nil, slog.New(slog.DiscardHandler))
		set := declareSettings(l)
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := set.keyRotation(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
