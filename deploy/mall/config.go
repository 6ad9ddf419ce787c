package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/place"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
)

// configPrefixes are whose settings they are; everything else in Redis is not configuration.
var configPrefixes = []string{"mall.", "order.", "checkout.", "product.", "cart.", "auth.", "user.", "payment.", "gateway.", "assistant.", "database."}

// chosenSettings move money: they can be changed, never unset.
var chosenSettings = []string{"mall.currency", "payment.provider"}

const configUsage = "config get [key] | set <key> <value, or @file> [<key> <value>]... | unset <key> | restore"

// config reads and writes the Dapr configuration store of a running mall. Services take a change while they run, and keep
// it in their databases: what the store loses they go on with.
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
	c := redis.Open(s.Redis.Addr, s.Redis.Password)
	defer c.Close() //nolint:errcheck // every command has been answered
	switch {
	case args[0] == "get" && len(args) == 1:
		return configList(ctx, c, at)
	case args[0] == "get" && len(args) == 2:
		return configGet(ctx, c, at, args[1])
	case args[0] == "set" && len(args) > 2 && len(args)%2 == 1:
		return configTry(ctx, c, at, s, args[1:])
	case args[0] == "unset" && len(args) == 2:
		return configUnset(ctx, c, at, args[1])
	case args[0] == "restore" && len(args) == 1:
		return configRestore(ctx, c, at)
	}
	return errors.New(configUsage)
}

func configGet(ctx context.Context, c *redis.Client, at place.Place, key string) error {
	raw, err := c.Get(ctx, key).Result()
	value := settings.Parse(raw).Text
	switch {
	case errors.Is(err, redis.ErrNil):
		rec, err := readRecord(at)
		if err != nil {
			return err
		}
		if last := settings.Parse(rec[key]).Text; rec[key] != "" && last != settings.Unset {
			return fmt.Errorf("%s is lost, it was %s: services go on with that; `config restore` writes it back", key, last)
		}
		return fmt.Errorf("%s was never set: its default applies", key)
	case err != nil:
		return err
	case value == settings.Unset:
		return fmt.Errorf("%s is unset: its default applies", key)
	}
	fmt.Println(value)
	return nil
}

func configRestore(ctx context.Context, c *redis.Client, at place.Place) error {
	rec, err := readRecord(at)
	if err != nil {
		return err
	}
	if rec == nil {
		return fmt.Errorf("nothing is recorded in %s: set each setting again, then `config set %s yes`", recordFile(at), settings.Initialized)
	}
	restored, err := restoreSettings(ctx, c, rec)
	for _, key := range restored {
		fmt.Println("written back:", key)
	}
	return err
}

// configTry sets values (key, value, key, value), and takes back those that whoever uses them refuses: they would go on with the last
// good one, but the gateway remembers nothing and would serve nobody after its next start.
func configTry(ctx context.Context, c *redis.Client, at place.Place, s state, pairs []string) error {
	before := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		raw, err := c.Get(ctx, pair[0]).Result()
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return err
		}
		rec, err := readRecord(at)
		if err != nil {
			return err
		}
		before[pair[0]] = cmp.Or(settings.Parse(raw).Text, settings.Parse(rec[pair[0]]).Text, settings.Unset)
		if err := configSet(ctx, c, at, pair[0], pair[1]); err != nil {
			return err
		}
	}
	var refused []error
	since := time.Now()
	for pair := range slices.Chunk(pairs, 2) {
		key := pair[0]
		by := whoRefuses(ctx, s, key, since)
		if by == "" {
			fmt.Println(key, "is set")
			continue
		}
		refused = append(refused, fmt.Errorf("%s cannot use this value of %s, the one before is back: go run ./deploy/mall logs %s", by, key, by),
			writeSetting(ctx, c, at, key, before[key]))
	}
	return errors.Join(refused...)
}

func configSet(ctx context.Context, c *redis.Client, at place.Place, key, value string) error {
	if err := mustBeSetting(ctx, c, key); err != nil {
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
	if strings.Contains(value, settings.Separator) {
		return errors.New("a value must not contain " + settings.Separator)
	}
	return writeSetting(ctx, c, at, key, value)
}

// configUnset writes that the default applies: an absent key would say nothing.
func configUnset(ctx context.Context, c *redis.Client, at place.Place, key string) error {
	if err := mustBeSetting(ctx, c, key); err != nil {
		return err
	}
	if slices.Contains(chosenSettings, key) || key == settings.Initialized {
		return fmt.Errorf("%s cannot be unset, only set to something else", key)
	}
	return writeSetting(ctx, c, at, key, settings.Unset)
}

// writeSetting gives the value a version above all that were written before, whatever this machine's clock says.
func writeSetting(ctx context.Context, c *redis.Client, at place.Place, key, text string) error {
	return changeRecord(at, func(r settingsRecord) error {
		raw, err := c.Get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return err
		}
		v := settings.Value{Text: text, Version: max(time.Now().UnixMilli(), settings.Parse(raw).Version+1, settings.Parse(r[key]).Version+1)}
		if err := c.Set(ctx, key, v.String(), 0).Err(); err != nil {
			return err
		}
		r[key] = v.String()
		return nil
	})
}

func configList(ctx context.Context, c *redis.Client, at place.Place) error {
	values, err := readSettings(ctx, c)
	if err != nil {
		return err
	}
	rec, err := readRecord(at)
	if err != nil {
		return err
	}
	keys := slices.Concat(slices.Collect(maps.Keys(values)), slices.Collect(maps.Keys(rec)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		raw, present := values[key]
		lastRaw, recorded := rec[key]
		now, last := settings.Parse(raw), settings.Parse(lastRaw)
		switch {
		case !present && last.Text != settings.Unset:
			fmt.Printf("! %s=%s is lost: services go on with it; `config restore` writes it back\n", key, last.Text)
		case present && now.Version != 0 && now.Version < last.Version:
			fmt.Printf("! %s=%s was overtaken: services go on with %s; `config restore` writes it back\n", key, now.Text, last.Text)
		case !present || now.Text == settings.Unset:
			fmt.Printf("%s is unset: its default applies\n", key)
		case recorded && last.Text != now.Text:
			fmt.Printf("! %s=%s was changed by somebody else; this command last wrote %s\n", key, now.Text, last.Text)
		default:
			fmt.Printf("%s=%s\n", key, now.Text)
		}
	}
	return nil
}

func settingKeys(ctx context.Context, c *redis.Client) ([]string, error) {
	found := map[string]bool{} // a key may come twice
	all := c.Scan(ctx, 0, "*.*", 1000).Iterator()
	for all.Next(ctx) {
		if isConfig(all.Val()) {
			found[all.Val()] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), all.Err()
}

// mustBeSetting refuses what only shares the Redis of the settings: the streams of events are called mall.orders and the like.
func mustBeSetting(ctx context.Context, c *redis.Client, key string) error {
	if !isConfig(key) {
		return fmt.Errorf("%s is not a setting: they begin with %s", key, strings.Join(configPrefixes, " "))
	}
	kind, err := c.Type(ctx, key).Result()
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
