package main

import (
	"crypto/rand"
	"os"
	"testing"

	"daprmall.dev/deploy/internal/redis"
)

// Streams, carts and the gate lie in the same Redis, some under names that begin like a setting's.
func TestConfigChangesNothingButSettings(t *testing.T) {
	server := os.Getenv("MALL_TEST_REDIS_ADDR")
	switch {
	case server == "" && testing.Short():
		t.Skip("no Redis")
	case server == "":
		t.Fatal("MALL_TEST_REDIS_ADDR is not set: run the tests with `go run ./deploy/mall test`, or give the address of a Redis")
	}
	c, err := redis.Dial(t.Context(), server, os.Getenv("MALL_TEST_REDIS_PASSWORD"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // every command has been answered
	do := func(args ...string) string {
		t.Helper()
		out, err := c.Do(args...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	name := rand.Text() // other tests use the server, too
	stream, gate, setting := "mall.orders-"+name, "mall:{"+name+"}:product:1", "gateway.rate."+name
	do("XADD", stream, "*", "data", "{}")
	do("HSET", gate, "base", "7")
	defer do("DEL", stream, gate, setting)
	for _, key := range []string{stream, gate, "mall.", "nonsense-" + name} {
		if err := configSet(c, key, "x"); err == nil {
			t.Errorf("set %s", key)
		}
		if err := configUnset(c, key); err == nil {
			t.Errorf("unset %s", key)
		}
	}
	if n := do("EXISTS", stream, gate, "mall.", "nonsense-"+name); n != "2" || do("TYPE", stream) != "stream" || do("TYPE", gate) != "hash" {
		t.Errorf("%s of 4 keys exist, the stream is a %s, the gate a %s", n, do("TYPE", stream), do("TYPE", gate))
	}
	for range 2 { // one that is set, and one that is not, can be unset
		if err := configSet(c, setting, "1/1"); err != nil || do("GET", setting) != "1/1" {
			t.Errorf("set %s: %v", setting, err)
		}
		for range 2 {
			if err := configUnset(c, setting); err != nil || do("EXISTS", setting) != "0" {
				t.Errorf("unset %s: %v", setting, err)
			}
		}
	}
}
