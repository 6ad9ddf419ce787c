package config

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/worker"
)

// pollEvery is how often the store is read. The store's subscription ends without an error (Dapr's Go SDK never resumes
// it); a poll cannot.
const pollEvery = 3 * time.Second

// Values and keys with a meaning of their own.
const (
	Unset       = keys.Unset
	Initialized = keys.Initialized
)

// Value is a setting's value. A later one has a higher version; version 0 comes from a writer without versions and is
// accepted.
type Value struct {
	Text    string
	Version int64
}

// Store returns the values of keys; an absent key is absent from the answer.
type Store interface {
	Config(ctx context.Context, keys []string) (map[string]Value, error)
}

// Memory keeps the last good values across restarts. They may be Unset.
type Memory interface {
	Load(ctx context.Context) (map[string]Value, error)
	Save(ctx context.Context, values map[string]Value) error
}

// Live holds settings that change while the process runs. The last good value of a setting stays until the store has
// another good one or Unset. Values that are invalid, absent, or older (the store was restored) change nothing, nor
// does an unreachable store.
type Live struct {
	store  Store
	memory Memory // may be nil
	log    *slog.Logger

	mu       sync.Mutex
	settings map[string]*setting
	restored bool
	unsaved  map[string]Value // good values that the memory does not have yet
	lost     []string

	missing   atomic.Pointer[[]string]
	lostCount atomic.Int64
	refused   atomic.Pointer[[]string]
	lastRead  atomic.Int64 // when the store was asked last with success, in Unix ms
}

type setting struct {
	apply    func(raw string) error
	reset    func()
	required bool // see Required
	chosen   bool // see Chosen

	value      Value // the last good one; its text may be Unset
	known      bool
	newest     int64   // the version that the store must not be behind
	remembered bool    // the memory has a value, even one that is no longer valid
	refused    *string // the last rejected value: it is logged once
}

// Option is a property of a setting.
type Option func(*setting)

// Required marks a setting whose default must not be used before the store, or the memory, has been read: until then
// Missing names it, and what needs it must not be served.
func Required(s *setting) { s.required = true }

// Chosen marks a Required setting that decides where money goes: once it has a value it can be changed, but never falls
// back to its default, not even by Unset.
func Chosen(s *setting) { s.required, s.chosen = true, true }

// NewLive makes an empty set; declare settings before Run. memory may be nil.
func NewLive(store Store, memory Memory, log *slog.Logger) *Live {
	return &Live{store: store, memory: memory, log: log, settings: map[string]*setting{}, unsaved: map[string]Value{}}
}

// Setting declares a setting of any type and returns a function that reads its present value. parse must also validate.
// It is a function because Go methods have no type parameters.
func Setting[T any](l *Live, key string, def T, parse func(string) (T, error), opts ...Option) func() T {
	var value atomic.Pointer[T]
	value.Store(&def)
	s := &setting{
		reset: func() { value.Store(&def) },
		apply: func(raw string) error {
			v, err := parse(raw)
			if err == nil {
				value.Store(&v)
			}
			return err
		},
	}
	for _, o := range opts {
		o(s)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if first := l.settings[key]; first != nil {
		s.chain(first)
	}
	l.settings[key] = s
	l.updateMissing()
	return func() T { return *value.Load() }
}

// chain connects a second declaration of a setting with the first, so that readers of both get its value.
func (s *setting) chain(first *setting) {
	apply, reset := s.apply, s.reset
	s.required, s.chosen = s.required || first.required, s.chosen || first.chosen
	s.reset = func() { first.reset(); reset() }
	s.apply = func(raw string) error {
		if err := first.apply(raw); err != nil {
			return err
		}
		return apply(raw)
	}
}

// Restore loads what the memory has, once.
func (l *Live) Restore(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.restore(ctx)
}

func (l *Live) restore(ctx context.Context) error {
	if l.restored || l.memory == nil {
		return nil
	}
	values, err := l.memory.Load(ctx)
	if err != nil {
		return fmt.Errorf("load the last known settings: %w", err)
	}
	l.acceptAll(func(key string, _ *setting) (Value, bool) {
		v, ok := values[key]
		return v, ok
	})
	for key, s := range l.settings {
		if v, ok := values[key]; ok {
			s.remembered, s.newest = true, v.Version
		}
	}
	l.restored = true
	clear(l.unsaved) // the memory has them
	l.updateMissing()
	return nil
}

// Refresh reads the store once and keeps what is new in the memory.
func (l *Live) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.settings) == 0 {
		return nil
	}
	// Before the memory has been read, an absent key must not be taken for its default.
	if err := l.restore(ctx); err != nil {
		return err
	}
	names := append(slices.Collect(maps.Keys(l.settings)), Initialized)
	asked := time.Now()
	values, err := l.store.Config(ctx, names)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	_, initialized := values[Initialized]
	var lost []string
	if !initialized {
		lost = append(lost, Initialized)
	}
	for key, s := range l.settings {
		v, present := values[key]
		if present && v.Version != 0 && v.Version < s.newest { // the store was restored to an earlier state
			lost = append(lost, key)
		} else if !present && (s.known || s.remembered) && s.value.Text != Unset {
			lost = append(lost, key)
		}
	}
	l.acceptAll(func(key string, s *setting) (Value, bool) {
		v, present := values[key]
		switch {
		case slices.Contains(lost, key):
			return v, false
		case present:
			return v, true
		}
		return Value{Text: Unset}, initialized && !s.known && !s.remembered
	})
	l.updateMissing()
	l.updateRefused(values)
	l.lastRead.Store(asked.UnixMilli())
	l.logLost(lost)
	return l.save(ctx)
}

// logLost logs once what the store has lost, and once that it has it again.
func (l *Live) logLost(lost []string) {
	l.lostCount.Store(int64(len(lost)))
	slices.Sort(lost)
	if slices.Equal(lost, l.lost) {
		return
	}
	if len(lost) > 0 {
		l.log.Error("the configuration store has lost settings or has older ones, the last good values stay", "keys", lost)
	} else {
		l.log.Info("the configuration store has its settings again")
	}
	l.lost = lost
}

func (l *Live) save(ctx context.Context) error {
	if l.memory == nil || len(l.unsaved) == 0 {
		return nil
	}
	if err := l.memory.Save(ctx, l.unsaved); err != nil {
		return fmt.Errorf("keep settings: %w", err) // they stay dirty: the next refresh tries again
	}
	for key := range l.unsaved {
		l.settings[key].remembered = true
	}
	clear(l.unsaved)
	return nil
}

func (l *Live) updateMissing() {
	var missing []string
	for key, s := range l.settings {
		if s.required && !s.known {
			missing = append(missing, key)
		}
	}
	slices.Sort(missing)
	l.missing.Store(&missing)
}

// updateRefused records the keys whose value in the store was rejected.
func (l *Live) updateRefused(values map[string]Value) {
	var refused []string
	for key, s := range l.settings {
		if v, present := values[key]; present && s.refused != nil && *s.refused == v.Text {
			refused = append(refused, key)
		}
	}
	slices.Sort(refused)
	l.refused.Store(&refused)
}

// Refused names the settings whose value in the store cannot be used.
func (l *Live) Refused() []string {
	if r := l.refused.Load(); r != nil {
		return *r
	}
	return nil
}

// Missing names the required settings that are unknown: neither the store nor the memory has a value.
func (l *Live) Missing() []string {
	if m := l.missing.Load(); m != nil {
		return *m
	}
	return nil
}

// Lost counts the settings that the store had and has no more.
func (l *Live) Lost() int { return int(l.lostCount.Load()) }

// Run refreshes until ctx ends. While the store is unreachable the values stay.
func (l *Live) Run(ctx context.Context) {
	worker.Loop{Name: "configuration", Log: l.log, Every: worker.PauseWithJitter(pollEvery, time.Second),
		Work: l.Refresh}.Run(ctx)
}
