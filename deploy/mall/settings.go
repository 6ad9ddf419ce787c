package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/contracts"
	"daprmall.dev/services/kit/config/keys"
)

// settingsRecord is what the runner last wrote into the configuration store. The store may lose it.
type settingsRecord map[string]string

func recordFile(at layout.Layout) string { return filepath.Join(at.Home, "settings.json") }

// readRecord returns nil if nothing was recorded yet.
func readRecord(at layout.Layout) (settingsRecord, error) {
	raw, err := os.ReadFile(recordFile(at))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rec settingsRecord
	return rec, json.Unmarshal(raw, &rec)
}

// changeRecord changes the record under a lock, because commands may run at once.
func changeRecord(at layout.Layout, change func(settingsRecord) error) error {
	lock, err := os.OpenFile(filepath.Join(at.Run(), "settings.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	rec, err := readRecord(at)
	if err != nil {
		return err
	}
	if rec == nil {
		rec = settingsRecord{}
	}
	if err := change(rec); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	next := recordFile(at) + ".new"
	if err := os.WriteFile(next, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(next, recordFile(at))
}

// replace sets a key only if it still has the value that was read.
const replace = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end " +
	"return 0"

// restoreSettings writes back what the store lacks or has in an older version, and gives the keys. The mark of an
// initialised store comes last: until then services know that an absent key may have been lost.
func restoreSettings(ctx context.Context, c *redis.Client, rec settingsRecord) (restored []string, err error) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(rec)), func(k string) bool { return k == settings.Initialized })
	if rec[settings.Initialized] != "" {
		names = append(names, settings.Initialized)
	}
	for _, key := range names {
		raw, err := c.Get(ctx, key).Result()
		now, last := settings.Parse(raw), settings.Parse(rec[key])
		switch {
		case errors.Is(err, redis.ErrNil):
			var set bool
			if set, err = c.SetNX(ctx, key, rec[key], 0).Result(); err == nil && !set { // it has a value by now
				continue
			}
		case err != nil || now.Version == 0 || now.Version >= last.Version:
			if err != nil {
				return restored, err
			}
			continue
		default:
			err = c.Eval(ctx, replace, []string{key}, raw, rec[key]).Err()
		}
		if err != nil {
			return restored, err
		}
		restored = append(restored, key)
	}
	return restored, nil
}

// errEmptied means that neither the store nor the record has the settings of a mall that had some.
var errEmptied = errors.New(
	"the configuration store is empty and settings.json is missing, but services remember settings, so this mall is not " +
		"new. " +
		"Start only the servers (`up --only postgres,redis --detach`), set all settings again, above all the gateway's, " +
		"then `config set " +
		settings.Initialized + " yes`, and start it whole")

// prepareSettings makes a new mall's store an initialised one, and gives one that was emptied its settings back. used
// says whether services remember settings.
func prepareSettings(ctx context.Context, c *redis.Client, at layout.Layout,
	used func() (bool, error)) (restored []string, err error) {
	rec, err := readRecord(at)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		present, err := readSettings(ctx, c)
		if err != nil {
			return nil, err
		}
		if len(present) == 0 {
			if used, err := used(); err != nil || used {
				return nil, cmp.Or(err, errEmptied)
			}
		}
		rec = settingsRecord{settings.Initialized: time.Now().UTC().Format(time.RFC3339)}
		maps.Copy(rec, present)
		if err := changeRecord(at, func(r settingsRecord) error { maps.Copy(r, rec); return nil }); err != nil {
			return nil, err
		}
	}
	return restoreSettings(ctx, c, rec)
}

// used reports whether a service remembers settings.
func (m *mall) used(ctx context.Context) (bool, error) {
	for _, name := range contracts.Databases() {
		if has, err := postgres.HasRows(ctx, m.store.DSN(name), "settings"); err != nil || has {
			return has, err
		}
	}
	return false, nil
}

// guardSettings writes settings back whenever the store has lost some, until ctx ends.
func (m *mall) guardSettings(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		if os.Getenv("MALL_REDIS_ADDR") != "" { // it may have been restarted, and keeps them only if its owner has it do so
			_ = m.setRedisUsers(ctx) // again in a moment
		}
		restored, err := m.restoreLost(ctx)
		if err == nil && len(restored) > 0 {
			m.board.Say("%s the configuration store had lost settings, which were written back: %s",
				time.Now().Format(time.TimeOnly),
				strings.Join(restored, ", "))
		}
	}
}

func (m *mall) restoreLost(ctx context.Context) ([]string, error) {
	rec, err := readRecord(m.at)
	if err != nil || rec == nil {
		return nil, err
	}
	c := redis.Open(m.redis, m.store.RedisPassword())
	defer c.Close() //nolint:errcheck // every command has been answered
	return restoreSettings(ctx, c, rec)
}

// readSettings returns every setting that the store has.
func readSettings(ctx context.Context, c *redis.Client) (map[string]string, error) {
	names := []string{settings.Initialized}
	for _, k := range keys.All() {
		names = append(names, k.Name)
	}
	found, err := c.MGet(ctx, names...).Result()
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for i, value := range found {
		if text, ok := value.(string); ok {
			values[names[i]] = text
		}
	}
	return values, nil
}
