package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/kit/config/keys"
)

// onStore opens the Dapr configuration store of the running mall for a command. Services take a change while they run,
// and keep it in their databases: what the store loses they go on with.
func onStore(do func(ctx context.Context, c *redis.Client, at layout.Layout, s state,
	args []string) error) func(context.Context, layout.Layout, []string) error {
	return func(ctx context.Context, at layout.Layout, args []string) error {
		s, err := readState(at)
		if err != nil {
			return err
		}
		if s.Redis.Addr == "" {
			return errors.New("this mall runs without Redis")
		}
		c := redis.Open(s.Redis.Addr, s.Redis.Password)
		defer c.Close() //nolint:errcheck // every command has been answered
		return do(ctx, c, at, s, args)
	}
}

func configGet(ctx context.Context, c *redis.Client, at layout.Layout, key string) error {
	raw, err := c.Get(ctx, key).Result()
	value := settings.Parse(raw).Text
	switch {
	case errors.Is(err, redis.ErrNil):
		rec, err := readRecord(at)
		if err != nil {
			return err
		}
		if last := settings.Parse(rec[key]).Text; rec[key] != "" && last != settings.Unset {
			return fmt.Errorf("the store has lost %s, which was %s: services still use that value; `config restore` writes it "+
				"back", key, last)
		}
		return fmt.Errorf("%s was never set: the default%s applies", key, standard(key))
	case err != nil:
		return err
	case value == settings.Unset:
		return fmt.Errorf("%s is unset: its default%s applies", key, standard(key))
	}
	fmt.Println(value)
	return nil
}

func configRestore(ctx context.Context, c *redis.Client, at layout.Layout) error {
	rec, err := readRecord(at)
	if err != nil {
		return err
	}
	if rec == nil {
		return fmt.Errorf("there is no record in %s: set every setting again, then `config set %s yes`", recordFile(at),
			settings.Initialized)
	}
	restored, err := restoreSettings(ctx, c, rec)
	for _, key := range restored {
		fmt.Println("written back:", key)
	}
	return err
}

// configTry sets values (key, value, key, value), and takes back those that whoever uses them refuses: they would go on
// with the last good one, but the gateway remembers nothing and would serve nobody after its next start.
func configTry(ctx context.Context, c *redis.Client, at layout.Layout, s state, pairs []string) error {
	before := map[string]string{}
	values, err := checked(pairs)
	if err != nil {
		return err
	}
	for pair := range slices.Chunk(values, 2) {
		raw, err := c.Get(ctx, pair[0]).Result()
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return err
		}
		rec, err := readRecord(at)
		if err != nil {
			return err
		}
		before[pair[0]] = cmp.Or(settings.Parse(raw).Text, settings.Parse(rec[pair[0]]).Text, settings.Unset)
		if err := writeSetting(ctx, c, at, pair[0], pair[1]); err != nil {
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
		refused = append(refused, fmt.Errorf(
			"%s cannot use this value of %s, so the earlier one was restored: go run ./deploy/mall logs %s", by, key, by),
			writeSetting(ctx, c, at, key, before[key]))
	}
	return errors.Join(refused...)
}

// checked reads the values (key, value, key, value) that come from files, and refuses all when one cannot be meant.
func checked(pairs []string) ([]string, error) {
	var out []string
	var wrong []error
	for pair := range slices.Chunk(pairs, 2) {
		key, value := pair[0], pair[1]
		if file, ok := strings.CutPrefix(value, "@"); ok {
			raw, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			value = string(raw)
		}
		wrong = append(wrong, checkSetting(key, value))
		out = append(out, key, value)
	}
	return out, errors.Join(wrong...)
}

func checkSetting(key, value string) error {
	if key == settings.Initialized {
		return nil
	}
	known, err := knownSetting(key)
	if err != nil {
		return err
	}
	// Dapr's Redis store splits the value there: what follows would be a version.
	if strings.Contains(value, settings.Separator) {
		return fmt.Errorf("%s: a value must not contain %s", key, settings.Separator)
	}
	if err := known.Check(value); err != nil {
		return fmt.Errorf("%s=%s: %w (%s)", key, value, err, known.Form)
	}
	return nil
}

// knownSetting finds a setting; the error names those that may have been meant.
func knownSetting(key string) (keys.Entry, error) {
	if known, ok := keys.Find(key); ok {
		return known, nil
	}
	service, _, _ := strings.Cut(key, ".")
	var meant []string
	for _, k := range keys.All() {
		if strings.HasPrefix(k.Name, service+".") {
			meant = append(meant, k.Name)
		}
	}
	if len(meant) == 0 {
		return keys.Entry{}, fmt.Errorf("%s is not a setting; `config list` shows all", key)
	}
	return keys.Entry{}, fmt.Errorf("%s is not a setting; these are: %s", key, strings.Join(meant, ", "))
}

// standard is the default of a setting, for a sentence.
func standard(key string) string {
	if known, ok := keys.Find(key); ok && known.Default != "" {
		return " " + known.Default
	}
	return ""
}

// configUnset writes that the default applies: an absent key would mean nothing.
func configUnset(ctx context.Context, c *redis.Client, at layout.Layout, key string) error {
	known, err := knownSetting(key)
	if err != nil {
		return err
	}
	if known.Chosen {
		return fmt.Errorf("%s cannot be unset, only changed", key)
	}
	if err := writeSetting(ctx, c, at, key, settings.Unset); err != nil {
		return err
	}
	fmt.Printf("%s is unset: the default%s applies\n", key, standard(key))
	return nil
}

// writeSetting gives the value a version above all that were written before, whatever this machine's clock says.
func writeSetting(ctx context.Context, c *redis.Client, at layout.Layout, key, text string) error {
	return changeRecord(at, func(r settingsRecord) error {
		raw, err := c.Get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return err
		}
		v := settings.Value{Text: text, Version: max(time.Now().UnixMilli(), settings.Parse(raw).Version+1,
			settings.Parse(r[key]).Version+1)}
		if err := c.Set(ctx, key, v.String(), 0).Err(); err != nil {
			return err
		}
		r[key] = v.String()
		return nil
	})
}

// configList shows every setting with the value in force, its default and what it is for.
func configList(ctx context.Context, c *redis.Client, at layout.Layout, out io.Writer) error {
	values, err := readSettings(ctx, c)
	if err != nil {
		return err
	}
	rec, err := readRecord(at)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "  setting\tin force\tdefault\tvalues\tfor")
	var notes []string
	for _, k := range keys.All() {
		value, note := inForce(k, values, rec)
		mark := " "
		if note != "" {
			mark = "!"
			notes = append(notes, "! "+k.Name+" "+note)
		}
		_, _ = fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%s\n", mark, k.Name, oneLine(value), oneLine(k.Default), k.Form, k.Doc)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, ok := values[settings.Initialized]; !ok {
		notes = append(notes, "! "+settings.Initialized+" is lost; `config restore` writes it back")
	}
	for _, note := range notes {
		_, _ = fmt.Fprintln(out, note)
	}
	return nil
}

// inForce returns the values that services use, as far as the store and this command's record tell, and what is wrong
// with them.
func inForce(k keys.Entry, values map[string]string, rec settingsRecord) (value, note string) {
	raw, present := values[k.Name]
	lastRaw, recorded := rec[k.Name]
	now, last := settings.Parse(raw), settings.Parse(lastRaw)
	value = now.Text
	switch {
	case !present && recorded && last.Text != settings.Unset:
		value, note = last.Text, "is lost: services still use this value; `config restore` writes it back"
	case present && now.Version != 0 && now.Version < last.Version:
		value, note = last.Text, "is newer than the store's "+oneLine(now.Text)+"; `config restore` writes it back"
	case present && recorded && last.Text != now.Text:
		note = "was changed by another program; this command last wrote " + oneLine(last.Text)
	case present && now.Text != settings.Unset && k.Check(now.Text) != nil:
		note = "is not valid: services still use the last valid value"
	}
	if !present && value == "" || value == settings.Unset {
		value = k.Default
	}
	return value, note
}

// oneLine shortens a value for a table.
func oneLine(text string) string {
	const most = 24
	line, rest, _ := strings.Cut(text, "\n")
	if r := []rune(line); rest != "" || len(r) > most {
		return string(r[:min(len(r), most)]) + "…"
	}
	if line == "" {
		return "-"
	}
	return line
}
