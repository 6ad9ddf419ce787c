package operate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
)

// testRedis is a real server, which other tests use, too.
func testRedis(t *testing.T) (c *redis.Client, do func(args ...string) string) {
	t.Helper()
	server := os.Getenv("MALL_TEST_REDIS_ADDR")
	switch {
	case server == "" && testing.Short():
		t.Skip("no Redis")
	case server == "":
		t.Fatal("MALL_TEST_REDIS_ADDR is not set: run this by `go run ./deploy/mall test` or in its --shell")
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

// testConfig has a record of its own.
func testConfig(t *testing.T, c *redis.Client) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "settings")
	return Config{Store: settings.Store{Redis: c, Record: settings.Record{File: file + ".json", Lock: file + ".lock"}},
		Out: io.Discard}
}

// Streams, carts and the gate are in the same Redis, some under keys that look like settings. Unknown names and invalid
// values are refused, and then none of the settings in the command is written.
func TestConfigChangesNothingButSettings(t *testing.T) {
	c, do := testRedis(t)
	at := testConfig(t, c)
	const setting = "gateway.rate.anonymous"
	defer do("DEL", setting)
	for _, wrong := range [][]string{{"mall-orders", "1"}, {"mall:{mall}:product:1", "1"},
		{"gateway.rate.anonymus", "1/1"},
		{"nonsense", "1"}, {"order.payment_timeout", "soon"}, {setting, "1/1||7"}} {
		if err := at.Set(t.Context(), append([]string{setting, "2/2"}, wrong...)); err == nil {
			t.Errorf("set %v was accepted", wrong)
		}
		if do("GET", setting) != "" || do("EXISTS", wrong[0]) != "0" {
			t.Fatalf("set %v: something was written", wrong)
		}
	}
	for _, key := range []string{"mall-orders", "nonsense", "mall.currency", "payment.provider", settings.Initialized} {
		if err := at.Unset(t.Context(), key); err == nil {
			t.Errorf("unset %s was accepted", key)
		}
	}
	for range 2 { // a setting can be unset whether it is set or not
		if err := at.Set(t.Context(), []string{setting, "1/1"}); err != nil ||
			settings.Parse(do("GET", setting)).Text != "1/1" {
			t.Errorf("set %s: %v", setting, err)
		}
		for range 2 {
			if err := at.Unset(t.Context(), setting); err != nil ||
				settings.Parse(do("GET", setting)).Text != settings.Unset {
				t.Errorf("unset %s: %v", setting, err)
			}
		}
	}
}

func TestConfigListShowsTheValuesInForce(t *testing.T) {
	c, do := testRedis(t)
	at := testConfig(t, c)
	defer do("DEL", "order.cancel_grace", "mall.archive_after", "mall.currency", settings.Initialized)
	do("SET", settings.Initialized, "yes")
	set := []string{"order.cancel_grace", "2s", "mall.currency", "EUR"}
	if err := at.Set(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	do("DEL", "mall.currency")
	do("SET", "mall.archive_after", "1h") // written by something other than config set
	var out strings.Builder
	at.Out = &out
	if err := at.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(" +").ReplaceAllString(out.String(), " ")
	for _, want := range []string{" order.cancel_grace 2s 15s duration", " order.payment_timeout 15m 15m",
		"! mall.currency EUR CNY",
		"! mall.currency is lost", "! mall.archive_after is not valid", " payment.return_url - -"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(list, settings.Initialized) {
		t.Errorf("the list says that the store is not set up:\n%s", out.String())
	}
}

// Settings that the store has lost are written back, also those that were unset; values that the store has are kept.
func TestLostSettingsAreWrittenBack(t *testing.T) {
	c, do := testRedis(t)
	at := testConfig(t, c)
	const lost, unset, kept = "order.payment_timeout", "order.cancel_grace", "product.hold_ttl"
	defer do("DEL", lost, unset, kept, settings.Initialized)
	do("SET", kept, "before") // this mall is older than the record of settings
	if _, err := at.Prepare(t.Context(), nil, func() (bool, error) { return false, nil }); err != nil ||
		do("GET", settings.Initialized) == "" {
		t.Fatalf("prepare: %v, initialized %q", err, do("GET", settings.Initialized))
	}
	for key, value := range map[string]string{lost: "5s", unset: "6s"} {
		if err := at.Write(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := at.Unset(t.Context(), unset); err != nil {
		t.Fatal(err)
	}
	do("DEL", lost, unset, kept, settings.Initialized)
	do("SET", lost, "7s") // somebody has written it again meanwhile
	restored, err := at.Prepare(t.Context(), nil, func() (bool, error) { return false, nil })
	if err != nil || slices.Contains(restored, lost) {
		t.Errorf("written back %v, %v", restored, err)
	}
	if n := len(restored); n == 0 || restored[n-1] != settings.Initialized {
		t.Errorf("written back %v, want the initialized mark last", restored)
	}
	if got := []string{do("GET", lost), settings.Parse(do("GET", unset)).Text, do("GET", kept)}; !slices.Equal(got,
		[]string{"7s", settings.Unset, "before"}) {
		t.Errorf("the store has %v", got)
	}
	// The store is restored from an older snapshot.
	old := do("GET", unset)
	if err := at.Write(t.Context(), unset, "8s"); err != nil {
		t.Fatal(err)
	}
	do("SET", unset, old)
	if restored, err := at.Prepare(t.Context(), nil, func() (bool, error) { return false, nil }); err != nil ||
		!slices.Equal(restored, []string{unset}) {
		t.Errorf("written back %v, %v; want the newer value", restored, err)
	}
	if got := settings.Parse(do("GET", unset)).Text; got != "8s" {
		t.Errorf("the store has %q, want 8s", got)
	}
}

// A mall that had settings must not be treated as a new one when they are lost: the defaults may allow more than the
// lost values did.
func TestAMallThatLostItsSettingsIsNotNew(t *testing.T) {
	c, do := testRedis(t)
	at := testConfig(t, c)
	if left, err := at.Values(t.Context()); err != nil || len(left) > 0 {
		t.Fatalf("another test left its settings: %v, %v", left, err)
	}
	defer do("DEL", settings.Initialized)
	if _, err := at.Prepare(t.Context(), nil, func() (bool, error) { return true, nil }); !errors.Is(err,
		settings.ErrEmptied) || do("GET", settings.Initialized) != "" {
		t.Errorf("prepare: %v, initialized %q; want ErrEmptied and nothing written", err,
			do("GET", settings.Initialized))
	}
	if rec, err := at.Record.Read(); err != nil || rec != nil {
		t.Errorf("recorded %v, %v", rec, err)
	}
	if _, err := at.Prepare(t.Context(), nil, func() (bool, error) { return false, nil }); err != nil ||
		do("GET", settings.Initialized) == "" {
		t.Errorf("a new mall: %v", err)
	}
}
