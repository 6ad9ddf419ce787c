package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/services/kit/config/keys"
)

// Store is the configuration store of a mall. Services take a change while they run, and keep it in their databases:
// what the store loses they go on with.
type Store struct {
	Redis  *redis.Client
	Record Record
}

// ErrEmptied means that neither the store nor the record has the settings of a mall that had some.
var ErrEmptied = errors.New("the configuration store is empty, but services remember settings, so this mall is not new")

// Values returns every setting that the store has, in its stored form.
func (s Store) Values(ctx context.Context) (map[string]string, error) {
	names := []string{Initialized}
	for _, k := range keys.All() {
		names = append(names, k.Name)
	}
	found, err := s.Redis.MGet(ctx, names...).Result()
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

// Write gives a setting a value with a version above all that were written before, whatever this machine's clock says.
func (s Store) Write(ctx context.Context, key, text string) error {
	return s.Record.change(func(recorded map[string]string) error {
		raw, err := s.Redis.Get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return err
		}
		v := Value{Text: text, Version: max(time.Now().UnixMilli(), Parse(raw).Version+1,
			Parse(recorded[key]).Version+1)}
		if err := s.Redis.Set(ctx, key, v.String(), 0).Err(); err != nil {
			return err
		}
		recorded[key] = v.String()
		return nil
	})
}

// replace sets a key only if it still has the value that was read.
const replace = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end " +
	"return 0"

// Restore writes back what the record has and the store lacks or has in an older version, and gives the keys. The mark
// of an initialised store comes last: until then services know that an absent key may have been lost.
func (s Store) Restore(ctx context.Context) (restored []string, err error) {
	recorded, err := s.Record.Read()
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(recorded)), func(k string) bool { return k == Initialized })
	if recorded[Initialized] != "" {
		names = append(names, Initialized)
	}
	for _, key := range names {
		raw, err := s.Redis.Get(ctx, key).Result()
		now, last := Parse(raw), Parse(recorded[key])
		switch {
		case errors.Is(err, redis.ErrNil):
			var set bool
			if set, err = s.Redis.SetNX(ctx, key, recorded[key], 0).Result(); err == nil && !set { // it has a value by now
				continue
			}
		case err != nil || now.Version == 0 || now.Version >= last.Version:
			if err != nil {
				return restored, err
			}
			continue
		default:
			err = s.Redis.Eval(ctx, replace, []string{key}, raw, recorded[key]).Err()
		}
		if err != nil {
			return restored, err
		}
		restored = append(restored, key)
	}
	return restored, nil
}

// Prepare makes a new mall's store an initialised one, and gives one that was emptied its settings back: those of the
// record, and those that are given, which may also be new. used says whether services remember settings.
func (s Store) Prepare(ctx context.Context, given map[string]string, used func() (bool, error)) (restored []string,
	err error) {
	recorded, err := s.Record.Read()
	if err != nil {
		return nil, err
	}
	mark := time.Now().UTC().Format(time.RFC3339)
	if recorded == nil {
		present, err := s.Values(ctx)
		if err != nil {
			return nil, err
		}
		emptied := len(present) == 0 || s.Record.File == "" && present[Initialized] == ""
		if emptied && len(given) == 0 {
			if used, err := used(); err != nil || used {
				return nil, cmp.Or(err, ErrEmptied)
			}
		}
		if err := s.Record.change(func(values map[string]string) error {
			values[Initialized] = mark
			maps.Copy(values, present)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if restored, err = s.Restore(ctx); err != nil {
		return restored, err
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if err := s.writeOther(ctx, key, given[key]); err != nil {
			return restored, fmt.Errorf("setting %s: %w", key, err)
		}
	}
	return restored, s.Redis.SetNX(ctx, Initialized, mark, 0).Err()
}

// writeOther is Write for a value that the store does not have yet.
func (s Store) writeOther(ctx context.Context, key, text string) error {
	raw, err := s.Redis.Get(ctx, key).Result()
	if err == nil && Parse(raw).Text == text {
		return nil
	}
	if err != nil && !errors.Is(err, redis.ErrNil) {
		return err
	}
	return s.Write(ctx, key, text)
}
