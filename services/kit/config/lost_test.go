package config

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"daprmall.dev/services/kit/config/keys"
)

// fakeMemory is the part of a service's database that remembers settings.
type fakeMemory struct {
	values map[string]Value
	err    error
}

func (f *fakeMemory) Load(context.Context) (map[string]Value, error) {
	return maps.Clone(f.values), f.err
}

func (f *fakeMemory) Save(_ context.Context, values map[string]Value) error {
	if f.err == nil {
		maps.Copy(f.values, values)
	}
	return f.err
}

// process is a service from one start to the next.
type process struct {
	*Live
	currency, fee func() string
}

// start starts a service as kit/app does. Currencies in gone are no longer valid.
func start(t *testing.T, store Store, memory Memory, invalid ...string) process {
	t.Helper()
	live := NewLive(store, memory, slog.New(slog.DiscardHandler))
	p := process{Live: live}
	p.currency = Setting(live, "mall.currency", "CNY", func(s string) (string, error) {
		if slices.Contains(invalid, s) {
			return "", errors.New("no such currency")
		}
		return s, nil
	}, Chosen)
	p.fee = Setting(live, "checkout.fee", "1000", func(s string) (string, error) { return s, nil })
	if err := live.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = live.Refresh(t.Context()) // a service starts without its store, too
	return p
}

func (p process) check(t *testing.T, when, currency, fee string, missing, lost int) {
	t.Helper()
	got := []any{p.currency(), p.fee(), len(p.Missing()), p.Lost()}
	if want := []any{currency, fee, missing, lost}; !slices.Equal(got, want) {
		t.Errorf("%s: currency, fee, missing and lost are %v, want %v", when, got, want)
	}
}

// When the store is down or has lost its values, no setting changes, neither while a service runs nor when it starts.
func TestSettingsSurviveTheStore(t *testing.T) {
	set := map[string]string{Initialized: "yes", "mall.currency": "EUR", "checkout.fee": "5"}
	store, memory := &fakeStore{values: set}, &fakeMemory{values: map[string]Value{}}
	p := start(t, store, memory)
	p.check(t, "set", "EUR", "5", 0, 0)

	store.values = nil // FLUSHALL
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.check(t, "emptied", "EUR", "5", 0, 3)
	p = start(t, store, memory)
	p.check(t, "started with an emptied store", "EUR", "5", 0, 3)
	store.err = errors.New("store is down")
	start(t, store, memory).check(t, "started without a store", "EUR", "5", 0, 0)

	store.err, store.values = nil, set // written back
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.check(t, "written back", "EUR", "5", 0, 0)

	store.values = map[string]string{Initialized: "yes", "mall.currency": "EUR", "checkout.fee": Unset}
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.check(t, "unset", "EUR", "1000", 0, 0)
	store.values = nil
	start(t, store, memory).check(t, "unset, then lost", "EUR", "1000", 0, 2)
}

// A default that affects money is used only if it is certain that nothing else was chosen: if the store was
// initialized.
func TestTheDefaultOfAChosenSettingNeedsAnInitializedStore(t *testing.T) {
	store, memory := &fakeStore{}, &fakeMemory{values: map[string]Value{}}
	p := start(t, store, memory)
	p.check(t, "an empty store and no memory", "CNY", "1000", 1, 1)
	store.err = errors.New("store is down")
	start(t, store, memory).check(t, "no store and no memory", "CNY", "1000", 1, 0)

	store.err, store.values = nil, map[string]string{Initialized: "yes"}
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.check(t, "a new mall", "CNY", "1000", 0, 0)
	store.values = nil
	start(t, store, memory).check(t, "a new mall whose store is lost", "CNY", "1000", 0, 1)
}

// A setting that affects money can be changed, but not dropped: neither by Unset nor because its value is no longer
// valid.
func TestAChosenSettingCannotBeDropped(t *testing.T) {
	store, memory := &fakeStore{values: map[string]string{Initialized: "yes", "mall.currency": "EUR"}},
		&fakeMemory{values: map[string]Value{}}
	p := start(t, store, memory)
	store.values = map[string]string{Initialized: "yes", "mall.currency": Unset}
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.check(t, "unset", "EUR", "1000", 0, 0)
	start(t, store, memory).check(t, "unset, then started", "EUR", "1000", 0, 0)

	for what, values := range map[string]map[string]string{"set": {Initialized: "yes", "mall.currency": "EUR"},
		"absent": {Initialized: "yes"},
		"unset":  {Initialized: "yes", "mall.currency": Unset}} {
		store.values = values
		p = start(t, store, memory, "EUR")
		if missing := p.Missing(); !slices.Equal(missing, []string{"mall.currency"}) ||
			memory.values["mall.currency"].Text != "EUR" {
			t.Errorf("%s, and no longer valid: missing %v, remembered %q", what, missing, memory.values["mall.currency"].Text)
		}
	}
}

// A value that could not be stored in the memory is stored later.
func TestAValueIsRememberedOnceTheMemoryWorks(t *testing.T) {
	store, memory := &fakeStore{values: map[string]string{Initialized: "yes", "mall.currency": "EUR"}},
		&fakeMemory{values: map[string]Value{}}
	live := NewLive(store, memory, slog.New(slog.DiscardHandler))
	currency := Of(live, keys.Currency)
	if err := live.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	memory.err = errors.New("database is down")
	if err := live.Refresh(t.Context()); err == nil || currency() != "EUR" {
		t.Errorf("refresh: %v, currency %s; want an error and EUR", err, currency())
	}
	memory.err = nil
	if err := live.Refresh(t.Context()); err != nil || memory.values["mall.currency"].Text != "EUR" {
		t.Errorf("refresh: %v, remembered %v", err, memory.values)
	}
}

// A store that was restored from an older snapshot has values that were valid but are outdated. They are not used, not
// even by a service that starts then. A value without a version is used: somebody has set it by hand.
func TestOutdatedValuesOfARestoredStoreAreNotUsed(t *testing.T) {
	store, memory := &fakeStore{}, &fakeMemory{values: map[string]Value{}}
	set := func(currency string, version int64) {
		store.values = map[string]string{Initialized: "yes", "mall.currency": currency}
		store.versions = map[string]int64{"mall.currency": version}
	}
	set("EUR", 2)
	p := start(t, store, memory)
	p.check(t, "set", "EUR", "1000", 0, 0)
	set("CNY", 1)
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.check(t, "restored", "EUR", "1000", 0, 1)
	p = start(t, store, memory)
	p.check(t, "restored, then started", "EUR", "1000", 0, 1)
	for _, step := range []struct {
		currency string
		version  int64
	}{{"EUR", 2}, {"USD", 3}, {"GBP", 0}, {"USD", 3}} { // as before, a newer version, by hand, by the tool again
		set(step.currency, step.version)
		if err := p.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.check(t, "set again", step.currency, "1000", 0, 0)
	}
	// A remembered value that is no longer valid must not be replaced by an older one either.
	set("CNY", 1)
	p = start(t, store, memory, "USD")
	if missing := p.Missing(); !slices.Equal(missing, []string{"mall.currency"}) {
		t.Errorf("older than an invalid value: missing %v", missing)
	}
}

// A setting may be declared by several readers, such as the pools of a service with two databases: all follow it.
func TestASettingDeclaredTwiceReachesBothReaders(t *testing.T) {
	store := &fakeStore{values: map[string]string{Initialized: "yes", "database.max_connections": "5"}}
	live := NewLive(store, nil, slog.New(slog.DiscardHandler))
	first := Of(live, keys.MaxConnections)
	second := Of(live, keys.MaxConnections)
	for _, want := range []int64{5, keys.MaxConnections.Standard()} {
		if err := live.Refresh(t.Context()); err != nil || first() != want || second() != want {
			t.Errorf("%d and %d, %v, want %d for both", first(), second(), err, want)
		}
		store.values["database.max_connections"] = Unset
	}
}
