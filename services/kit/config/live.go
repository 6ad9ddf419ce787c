package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// pollEvery is how often the store is read. The store's subscription dies silently
// (Dapr's Go SDK never resumes it), a poll cannot.
const pollEvery = 3 * time.Second

// Store gives the values of keys; an absent key is absent from the answer.
type Store interface {
	Config(ctx context.Context, keys []string) (map[string]string, error)
}

// Live holds settings that change while the process runs. The last good value wins over a
// bad one, a default over an absent one.
type Live struct {
	store Store
	log   *slog.Logger
	mu    sync.Mutex
	set   map[string]func(raw string, present bool) error
	seen  map[string]string
}

// NewLive makes an empty set; declare settings before Run.
func NewLive(store Store, log *slog.Logger) *Live {
	return &Live{store: store, log: log, set: map[string]func(string, bool) error{}, seen: map[string]string{}}
}

// Setting declares one setting of any type and gives a function that reads its present value.
// parse must also validate. It is a function because Go methods have no type parameters.
func Setting[T any](l *Live, key string, def T, parse func(string) (T, error)) func() T {
	var value atomic.Pointer[T]
	value.Store(&def)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set[key] = func(raw string, present bool) error {
		if !present {
			value.Store(&def)
			return nil
		}
		v, err := parse(raw)
		if err != nil {
			return err
		}
		value.Store(&v)
		return nil
	}
	return func() T { return *value.Load() }
}

// Duration declares a setting like "15m" between lo and hi.
func (l *Live) Duration(key string, def, lo, hi time.Duration) func() time.Duration {
	return Setting(l, key, def, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err == nil && (d < lo || d > hi) {
			err = fmt.Errorf("%s is outside %s–%s", d, lo, hi)
		}
		return d, err
	})
}

// Int declares a whole number between lo and hi.
func (l *Live) Int(key string, def, lo, hi int64) func() int64 {
	return Setting(l, key, def, func(s string) (int64, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err == nil && (n < lo || n > hi) {
			err = fmt.Errorf("%d is outside %d–%d", n, lo, hi)
		}
		return n, err
	})
}

// String declares a text that check accepts (nil: any).
func (l *Live) String(key, def string, check func(string) error) func() string {
	return Setting(l, key, def, func(s string) (string, error) {
		if check != nil {
			return s, check(s)
		}
		return s, nil
	})
}

// Currency declares the mall's one currency (ISO 4217). Rooms that price and rooms that show prices must refuse the same
// values: with two opinions about it nothing could be bought.
func (l *Live) Currency() func() string {
	return l.String("mall.currency", "CNY", func(s string) error {
		if len(s) != 3 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return errors.New("a currency is an ISO 4217 code of three capital letters")
		}
		return nil
	})
}

// Refresh reads the store once.
func (l *Live) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := make([]string, 0, len(l.set))
	for k := range l.set {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil
	}
	values, err := l.store.Config(ctx, keys)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	for key, apply := range l.set {
		raw, present := values[key]
		mark := strconv.FormatBool(present) + raw
		if l.seen[key] == mark {
			continue
		}
		first := l.seen[key] == ""
		l.seen[key] = mark
		if err := apply(raw, present); err != nil {
			l.log.Error("configuration value refused, the last good one stays", "key", key, "error", err)
		} else if !first {
			l.log.Info("configuration changed", "key", key)
		}
	}
	return nil
}

// Run refreshes until ctx ends. A store that is down leaves the values as they are.
func (l *Live) Run(ctx context.Context) error {
	for {
		pause := pollEvery + rand.N(time.Second)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		if err := l.Refresh(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("configuration not refreshed", "error", err)
		}
	}
}
