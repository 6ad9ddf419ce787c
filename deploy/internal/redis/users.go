package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// SettingsReader is a user of Redis' access control list who reads the settings of one app and those of all, and nothing
// else: what the app's sidecar signs in as for the configuration store (components/local/config-<app>.yaml).
type SettingsReader struct{ App, Password string }

// SettingsReaders makes them, in the order of their apps.
func SettingsReaders(passwords map[string]string) []SettingsReader {
	var all []SettingsReader
	for app, password := range passwords {
		all = append(all, SettingsReader{app, password})
	}
	slices.SortFunc(all, func(a, b SettingsReader) int { return strings.Compare(a.App, b.App) })
	return all
}

// rules are his name and rights, as redis.conf and ACL SETUSER take them.
func (u SettingsReader) rules() []string {
	own := strings.TrimPrefix(u.App, "api-") // the gateway's settings are gateway.*
	return []string{"settings-" + u.App, "reset", "on", ">" + u.Password, "~" + own + ".*", "~mall.*", "~database.*",
		"-@all", "+ping", "+hello", "+auth", "+select", "+info", "+get"}
}

// SetUsers makes the users of a server that is not ours, or makes them anew.
func SetUsers(ctx context.Context, c *Client, users []SettingsReader) error {
	for _, u := range users {
		name, rules := u.rules()[0], u.rules()[1:]
		if err := c.ACLSetUser(ctx, name, rules...).Err(); err != nil {
			return fmt.Errorf("redis user %s: %w", name, err)
		}
	}
	return nil
}
