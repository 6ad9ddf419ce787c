package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/kit/config/keys"
)

type fakeStore struct {
	values   map[string]string
	versions map[string]int64
	err      error
}

func (f *fakeStore) Config(context.Context, []string) (map[string]Value, error) {
	values := map[string]Value{}
	for key, text := range f.values {
		values[key] = Value{text, f.versions[key]}
	}
	return values, f.err
}

// A setting follows the store. Invalid values, a store that is down and missing values change nothing; only Unset
// restores the default.
func TestSettingKeepsLastGoodValue(t *testing.T) {
	store := &fakeStore{}
	live := NewLive(store, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	timeout := Of(live, keys.PaymentTimeout)

	steps := []struct {
		values map[string]string
		err    error
		want   time.Duration
	}{
		{nil, nil, 15 * time.Minute},
		{map[string]string{"order.payment_timeout": "5s"}, nil, 5 * time.Second},
		{map[string]string{"order.payment_timeout": "soon"}, nil, 5 * time.Second},
		{map[string]string{"order.payment_timeout": "900h"}, nil, 5 * time.Second},
		{nil, errors.New("store is down"), 5 * time.Second},
		{nil, nil, 5 * time.Second},
		{map[string]string{Initialized: "yes"}, nil, 5 * time.Second},
		{map[string]string{"order.payment_timeout": Unset}, nil, 15 * time.Minute},
		{map[string]string{"order.payment_timeout": "7s"}, nil, 7 * time.Second},
	}
	for i, s := range steps {
		store.values, store.err = s.values, s.err
		if err := live.Refresh(t.Context()); (err != nil) != (s.err != nil) {
			t.Errorf("step %d: refresh: %v", i, err)
		}
		if got := timeout(); got != s.want {
			t.Errorf("step %d: store %v: timeout %s, want %s", i, s.values, got, s.want)
		}
	}
}

// The currency must be a code: services keep the last valid one.
func TestCurrencyIsACode(t *testing.T) {
	store := &fakeStore{}
	live := NewLive(store, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	currency := Of(live, keys.Currency)
	for _, c := range []struct{ set, want string }{{"EUR", "EUR"}, {"cny", "EUR"}, {"EU", "EUR"}, {"EURO", "EUR"},
		{"茶", "EUR"}, {"", "EUR"}, {"USD", "USD"}} {
		store.values = map[string]string{"mall.currency": c.set}
		if err := live.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := currency(); got != c.want {
			t.Errorf("set to %q: %s, want %s", c.set, got, c.want)
		}
	}
}

// Refused values are reported: after the next start of a service that remembers nothing the setting would be missing.
func TestRefusedValuesAreReported(t *testing.T) {
	store := &fakeStore{}
	live := NewLive(store, nil, slog.New(slog.DiscardHandler))
	Of(live, keys.Int("a.good", "1", 1, 9, ""))
	Of(live, keys.Int("a.bad", "1", 1, 9, ""))
	for i, s := range []struct {
		values map[string]string
		want   string
	}{
		{map[string]string{"a.good": "2", "a.bad": "0"}, "[a.bad]"},
		{map[string]string{"a.good": "2", "a.bad": "0"}, "[a.bad]"}, // still reported, although nothing changed
		{map[string]string{"a.good": "2"}, "[]"},
		{map[string]string{"a.good": "2", "a.bad": "nonsense"}, "[a.bad]"},
		{map[string]string{"a.good": "2", "a.bad": "3"}, "[]"},
		{map[string]string{"a.good": "2", "a.bad": "0"}, "[a.bad]"},
		{map[string]string{"a.good": "2", "a.bad": "3"}, "[]"}, // the value that it had
	} {
		before := time.Now().UnixMilli()
		store.values = s.values
		if err := live.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(live.Refused()); got != s.want || live.lastRead.Load() < before {
			t.Errorf("step %d: refused %s, want %s; read %d ms after the step began", i, got, s.want,
				live.lastRead.Load()-before)
		}
	}
}
