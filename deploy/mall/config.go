package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"daprmall.dev/deploy/internal/place"
	"daprmall.dev/deploy/internal/redis"
)

// configPrefixes are whose settings they are; everything else in Redis is not configuration.
var configPrefixes = []string{"mall.", "order.", "checkout.", "product.", "cart.", "auth.", "user.", "payment.", "gateway.", "assistant."}

const configUsage = "config get [key] | set <key> <value, or @file> | unset <key>"

// config reads and writes the Dapr configuration store of a running mall. Rooms take a
// change while they run; what is not set has the default compiled into the room.
func config(ctx context.Context, at place.Place, args []string) error {
	if len(args) == 0 {
		return errors.New(configUsage)
	}
	s, err := readState(at)
	if err != nil {
		return err
	}
	if s.Redis.Addr == "" {
		return errors.New("this mall runs without Redis")
	}
	c, err := redis.Dial(ctx, s.Redis.Addr, s.Redis.Password)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // every command has been answered
	switch {
	case args[0] == "get" && len(args) == 1:
		return configList(c)
	case args[0] == "get" && len(args) == 2:
		value, err := c.Do("GET", args[1])
		if errors.Is(err, redis.ErrNil) {
			return fmt.Errorf("%s is not set: its default applies", args[1])
		}
		if err != nil {
			return err
		}
		fmt.Println(value)
		return nil
	case args[0] == "set" && len(args) == 3:
		return configSet(c, args[1], args[2])
	case args[0] == "unset" && len(args) == 2:
		return configUnset(c, args[1])
	}
	return errors.New(configUsage)
}

func configSet(c *redis.Client, key, value string) error {
	if err := mustBeSetting(c, key); err != nil {
		return err
	}
	if file, ok := strings.CutPrefix(value, "@"); ok {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		value = string(raw)
	}
	// Dapr's Redis store splits the value there: what follows would be a version.
	if strings.Contains(value, "||") {
		return errors.New("a value must not contain ||")
	}
	if _, err := c.Do("SET", key, value); err != nil {
		return err
	}
	room, _, _ := strings.Cut(key, ".")
	switch room {
	case "gateway":
		room = "api-gateway"
	case "mall":
		room = "<process>"
	}
	fmt.Printf("%s is set. Who uses it reads it within 4 s; a value that cannot be used is refused there, and the last good one stays:\n  go run ./deploy/mall logs %s\n", key, room)
	return nil
}

func configUnset(c *redis.Client, key string) error {
	if err := mustBeSetting(c, key); err != nil {
		return err
	}
	_, err := c.Do("DEL", key)
	return err
}

func configList(c *redis.Client) error {
	out, err := c.Do("KEYS", "*.*")
	if err != nil {
		return err
	}
	keys := strings.Split(out, "\n")
	slices.Sort(keys)
	for _, key := range keys {
		if !isConfig(key) {
			continue
		}
		// Keys of other types may share a prefix.
		if value, err := c.Do("GET", key); err == nil {
			fmt.Printf("%s=%s\n", key, value)
		}
	}
	return nil
}

// mustBeSetting refuses what only shares the Redis of the settings: the streams of events are called mall.orders and the like.
func mustBeSetting(c *redis.Client, key string) error {
	if !isConfig(key) {
		return fmt.Errorf("%s is not a setting: they begin with %s", key, strings.Join(configPrefixes, " "))
	}
	kind, err := c.Do("TYPE", key)
	if err != nil {
		return err
	}
	if kind != "string" && kind != "none" {
		return fmt.Errorf("%s is not a setting: it holds a %s", key, kind)
	}
	return nil
}

func isConfig(key string) bool {
	return slices.ContainsFunc(configPrefixes, func(p string) bool { return strings.HasPrefix(key, p) && len(key) > len(p) })
}
