package redis

import (
	"context"
	"fmt"

	"daprmall.dev/services/contracts"
)

// SettingsReader is a user of Redis' access control list who reads the settings of one app and those of all, and
// nothing else: what the app's sidecar signs in as for the configuration store (components/local/config-<app>.yaml).
type SettingsReader struct {
	service  contracts.Service
	password string
}

// SettingsReaders makes them with the passwords of their apps.
func SettingsReaders(passwords map[string]string) (all []SettingsReader) {
	for _, s := range contracts.Services {
		if password := passwords[s.Name]; password != "" {
			all = append(all, SettingsReader{s, password})
		}
	}
	return all
}

// rules are his name and rights, as redis.conf and ACL SETUSER take them.
func (u SettingsReader) rules() []string {
	return []string{"settings-" + u.service.Name, "reset", "on", ">" + u.password, "~" + u.service.SettingsPrefix() + ".*",
		"~mall.*", "~database.*",
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
