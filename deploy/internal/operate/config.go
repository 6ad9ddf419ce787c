// Package operate has the commands of those who run a mall, wherever it runs: its settings, its audit and its events.
package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/kit/config/keys"
)

// Config is the configuration store of a mall that runs, and the apps that read it.
type Config struct {
	settings.Store
	Readers []Reader // those that can be asked whether they accept a value
	// Fixed are settings that another place sets again, by their keys: they are to be changed there.
	Fixed map[string]string
	Logs  string // the command that shows the log of a process, before its name
	Out   io.Writer
}

// ConfigCommand shows and changes the settings of the mall whose store open opens. A store is closed after its command.
func ConfigCommand(open func(context.Context) (Config, error)) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show and change the settings of the running mall", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	add := func(use, short string, args cobra.PositionalArgs, do func(context.Context, Config, []string) error) {
		c.AddCommand(&cobra.Command{Use: use, Short: short, Args: args, ValidArgsFunction: names,
			RunE: func(c *cobra.Command, args []string) error {
				at, err := open(c.Context())
				if err != nil {
					return err
				}
				defer at.Redis.Close() //nolint:errcheck // every command has been answered
				at.Out = c.OutOrStdout()
				return do(c.Context(), at, args)
			}})
	}
	add("list", "Show every setting with the value in force", cobra.NoArgs,
		func(ctx context.Context, c Config, _ []string) error { return c.List(ctx) })
	add("get <key>", "Print the value of a setting", cobra.ExactArgs(1),
		func(ctx context.Context, c Config, args []string) error { return c.Get(ctx, args[0]) })
	add("set <key> <value, or @file> [<key> <value>]...", "Change settings; running services read them", pairs,
		func(ctx context.Context, c Config, args []string) error { return c.Set(ctx, args) })
	add("unset <key>", "Reset a setting to its default", cobra.ExactArgs(1),
		func(ctx context.Context, c Config, args []string) error { return c.Unset(ctx, args[0]) })
	add("restore", "Write back settings that the store has lost", cobra.NoArgs,
		func(ctx context.Context, c Config, _ []string) error { return c.Restore(ctx) })
	return c
}

// pairs accepts keys that each have a value.
func pairs(c *cobra.Command, args []string) error {
	if len(args) == 0 || len(args)%2 != 0 {
		return cobra.MinimumNArgs(len(args)+1)(c, args)
	}
	return nil
}

// names complete the key of a setting, where one is due; values may be files.
func names(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args)%2 == 1 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	for _, k := range keys.All() {
		names = append(names, k.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// Get prints the value of a setting.
func (c Config) Get(ctx context.Context, key string) error {
	raw, err := c.Redis.Get(ctx, key).Result()
	value := settings.Parse(raw).Text
	switch {
	case errors.Is(err, redis.ErrNil):
		rec, err := c.Record.Read()
		if err != nil {
			return err
		}
		if last := settings.Parse(rec[key]).Text; rec[key] != "" && last != settings.Unset {
			return fmt.Errorf("the store has lost %s, which was %s: services still use that value; `config restore` writes it "+
				"back", key, last)
		}
		return fmt.Errorf("%s was never set: the default%s applies", key, settings.Default(key))
	case err != nil:
		return err
	case value == settings.Unset:
		return fmt.Errorf("%s is unset: its default%s applies", key, settings.Default(key))
	}
	fmt.Fprintln(c.Out, value)
	return nil
}

// Restore writes back what the store has lost.
func (c Config) Restore(ctx context.Context) error {
	rec, err := c.Record.Read()
	if err != nil {
		return err
	}
	if rec == nil {
		return fmt.Errorf("there is no record %s: set every setting again, then `config set %s yes`", c.Record.File,
			settings.Initialized)
	}
	restored, err := c.Store.Restore(ctx)
	for _, key := range restored {
		fmt.Fprintln(c.Out, "written back:", key)
	}
	return err
}

// Set sets values (key, value, key, value), and takes back those that whoever uses them refuses: they would go on with
// the last good one, but the gateway remembers nothing and would serve nobody after its next start.
func (c Config) Set(ctx context.Context, pairs []string) error {
	before := map[string]string{}
	values, err := c.checked(pairs)
	if err != nil {
		return err
	}
	for pair := range slices.Chunk(values, 2) {
		raw, err := c.Redis.Get(ctx, pair[0]).Result()
		if err != nil && !errors.Is(err, redis.ErrNil) {
			return err
		}
		rec, err := c.Record.Read()
		if err != nil {
			return err
		}
		before[pair[0]] = cmp.Or(settings.Parse(raw).Text, settings.Parse(rec[pair[0]]).Text, settings.Unset)
		if err := c.Write(ctx, pair[0], pair[1]); err != nil {
			return err
		}
	}
	var refused []error
	since := time.Now()
	for pair := range slices.Chunk(pairs, 2) {
		key := pair[0]
		by := c.whoRefuses(ctx, key, since)
		if by == "" {
			fmt.Fprintln(c.Out, key, "is set")
			continue
		}
		refused = append(refused, fmt.Errorf(
			"%s cannot use this value of %s, so the earlier one was restored: %s %s", by, key, c.Logs, by),
			c.Write(ctx, key, before[key]))
	}
	return errors.Join(refused...)
}

// checked reads the values (key, value, key, value) that come from files, and refuses all when one cannot be meant.
func (c Config) checked(pairs []string) ([]string, error) {
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
		wrong = append(wrong, settings.Check(key, value), c.fixed(key))
		out = append(out, key, value)
	}
	return out, errors.Join(wrong...)
}

// fixed refuses to change what would be changed back.
func (c Config) fixed(key string) error {
	if at, fixed := c.Fixed[key]; fixed {
		return fmt.Errorf("%s is set by %s: change it there", key, at)
	}
	return nil
}

// Unset writes that the default applies: an absent key would mean nothing.
func (c Config) Unset(ctx context.Context, key string) error {
	known, err := settings.Find(key)
	if err != nil {
		return err
	}
	if known.Chosen {
		return fmt.Errorf("%s cannot be unset, only changed", key)
	}
	if err := c.fixed(key); err != nil {
		return err
	}
	if err := c.Write(ctx, key, settings.Unset); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s is unset: the default%s applies\n", key, settings.Default(key))
	return nil
}
