package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/place"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
)

// testRedis is a real one; other tests use it, too.
func testRedis(t *testing.T) (c *redis.Client, do func(args ...string) string) {
	t.Helper()
	server := os.Getenv("MALL_TEST_REDIS_ADDR")
	switch {
	case server == "" && testing.Short():
		t.Skip("no Redis")
	case server == "":
		t.Fatal("MALL_TEST_REDIS_ADDR is not set: run the tests with `go run ./deploy/mall test`, or give the address of a Redis")
	}
	c = redis.Open(server, os.Getenv("MALL_TEST_REDIS_PASSWORD"))
	t.Cleanup(func() { _ = c.Close() })
	return c, func(args ...string) string {
		t.Helper()
		var command []any
		for _, a := range args {
			command = append(command, a)
		}
		out, err := c.Do(context.WithoutCancel(t.Context()), command...).Result()
		if errors.Is(err, redis.ErrNil) {
			return ""
		}
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return fmt.Sprint(out)
	}
}

func testPlace(t *testing.T) place.Place {
	t.Helper()
	at := place.Place{Home: t.TempDir()}
	if err := os.Mkdir(at.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	return at
}

// Streams, carts and the gate lie in the same Redis, some under names that begin like a setting's.
func TestConfigChangesNothingButSettings(t *testing.T) {
	c, do := testRedis(t)
	at := testPlace(t)
	name := rand.Text()
	stream, gate, setting := "mall.orders-"+name, "mall:{"+name+"}:product:1", "gateway.rate."+name
	do("XADD", stream, "*", "data", "{}")
	do("HSET", gate, "base", "7")
	defer do("DEL", stream, gate, setting)
	for _, key := range []string{stream, gate, "mall.", "nonsense-" + name} {
		if err := configSet(t.Context(), c, at, key, "x"); err == nil {
			t.Errorf("set %s", key)
		}
		if err := configUnset(t.Context(), c, at, key); err == nil {
			t.Errorf("unset %s", key)
		}
	}
	if n := do("EXISTS", stream, gate, "mall.", "nonsense-"+name); n != "2" || do("TYPE", stream) != "stream" || do("TYPE", gate) != "hash" {
		t.Errorf("%s of 4 keys exist, the stream is a %s, the gate a %s", n, do("TYPE", stream), do("TYPE", gate))
	}
	for range 2 { // one that is set, and one that is not, can be unset
		if err := configSet(t.Context(), c, at, setting, "1/1"); err != nil || settings.Parse(do("GET", setting)).Text != "1/1" {
			t.Errorf("set %s: %v", setting, err)
		}
		for range 2 {
			if err := configUnset(t.Context(), c, at, setting); err != nil || settings.Parse(do("GET", setting)).Text != settings.Unset {
				t.Errorf("unset %s: %v", setting, err)
			}
		}
	}
	for _, key := range chosenSettings {
		if err := configUnset(t.Context(), c, at, key); err == nil {
			t.Errorf("unset %s, which moves money", key)
		}
	}
}

// What was set, and what was unset, is written back into a store that has lost it; what it has stays.
func TestLostSettingsAreWrittenBack(t *testing.T) {
	c, do := testRedis(t)
	at := testPlace(t)
	lost, unset, kept := "order."+rand.Text(), "order."+rand.Text(), "order."+rand.Text()
	defer do("DEL", lost, unset, kept, settings.Initialized)
	do("SET", kept, "before") // a mall from before there was a record
	if _, err := prepareSettings(t.Context(), c, at, func() (bool, error) { return false, nil }); err != nil || do("GET", settings.Initialized) == "" {
		t.Fatalf("prepare: %v, initialized %q", err, do("GET", settings.Initialized))
	}
	for key, value := range map[string]string{lost: "5s", unset: "6s"} {
		if err := configSet(t.Context(), c, at, key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := configUnset(t.Context(), c, at, unset); err != nil {
		t.Fatal(err)
	}
	do("DEL", lost, unset, kept, settings.Initialized)
	do("SET", lost, "7s") // somebody was faster
	restored, err := prepareSettings(t.Context(), c, at, func() (bool, error) { return false, nil })
	if err != nil || slices.Contains(restored, lost) {
		t.Errorf("written back %v, %v", restored, err)
	}
	if n := len(restored); n == 0 || restored[n-1] != settings.Initialized {
		t.Errorf("written back %v, want the mark last", restored)
	}
	if got := []string{do("GET", lost), settings.Parse(do("GET", unset)).Text, do("GET", kept)}; !slices.Equal(got, []string{"7s", settings.Unset, "before"}) {
		t.Errorf("the store has %v", got)
	}
	// The store comes back from an older snapshot.
	old := do("GET", unset)
	if err := configSet(t.Context(), c, at, unset, "8s"); err != nil {
		t.Fatal(err)
	}
	do("SET", unset, old)
	if restored, err := prepareSettings(t.Context(), c, at, func() (bool, error) { return false, nil }); err != nil || !slices.Equal(restored, []string{unset}) {
		t.Errorf("written back %v, %v; want what was overtaken", restored, err)
	}
	if got := settings.Parse(do("GET", unset)).Text; got != "8s" {
		t.Errorf("the store has %q, want 8s", got)
	}
}

// A mall that has had settings is not taken for a new one because nobody has them any more: defaults may be laxer than they were.
func TestAnEmptiedMallIsNotANewOne(t *testing.T) {
	c, do := testRedis(t)
	if keys, err := settingKeys(t.Context(), c); err != nil || len(keys) > 0 {
		t.Fatalf("another test left its settings: %v, %v", keys, err)
	}
	at := testPlace(t)
	defer do("DEL", settings.Initialized)
	if _, err := prepareSettings(t.Context(), c, at, func() (bool, error) { return true, nil }); !errors.Is(err, errEmptied) || do("GET", settings.Initialized) != "" {
		t.Errorf("prepare: %v, initialized %q; want errEmptied and nothing written", err, do("GET", settings.Initialized))
	}
	if rec, err := readRecord(at); err != nil || rec != nil {
		t.Errorf("recorded %v, %v", rec, err)
	}
	if _, err := prepareSettings(t.Context(), c, at, func() (bool, error) { return false, nil }); err != nil || do("GET", settings.Initialized) == "" {
		t.Errorf("a new one: %v", err)
	}
}

// What the runbook calls a setting can be set, is recorded, and is written back.
func TestEverySettingOfTheRunbookIsOne(t *testing.T) {
	raw, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "## Settings")
	text, _, _ = strings.Cut(text, "\n## ")
	keys := 0
	for _, row := range regexp.MustCompile(`(?m)^\| (`+"`[a-z]+\\.[^|]*"+`) \|`).FindAllStringSubmatch(text, -1) {
		for _, key := range regexp.MustCompile("`([a-z_.]+)").FindAllStringSubmatch(row[1], -1) {
			if keys++; !isConfig(key[1] + "x") { // gateway.rate.*
				t.Errorf("%s cannot be set", key[1])
			}
		}
	}
	if keys < 20 {
		t.Errorf("found only %d settings in the runbook", keys)
	}
}
