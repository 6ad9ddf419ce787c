// Package settings keeps a service's last good settings in its own database, so that they survive the configuration store.
package settings

import (
	"context"
	"embed"
	"encoding/json"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the table.
var Migrations = postgres.Migrations{Name: "settings", FS: files}

// Store is config.Memory.
type Store struct{ db *gorm.DB }

// New makes a store on a service's database.
func New(db *gorm.DB) *Store { return &Store{db} }

// Load gives every value that was kept.
func (s *Store) Load(ctx context.Context) (map[string]string, error) {
	var rows []struct{ Key, Value string }
	if err := s.db.WithContext(ctx).Raw("SELECT key, value FROM settings").Scan(&rows).Error; err != nil {
		return nil, err
	}
	values := make(map[string]string, len(rows))
	for _, r := range rows {
		values[r.Key] = r.Value
	}
	return values, nil
}

// Save keeps values, all or none; in the order of their keys, so that replicas do not wait for each other in a circle.
func (s *Store) Save(ctx context.Context, values map[string]string) error {
	text, err := json.Marshal(values)
	if err != nil {
		return err
	}
	return s.db.WithContext(ctx).Exec(`INSERT INTO settings (key, value) SELECT key, value FROM jsonb_each_text(?::jsonb) ORDER BY key
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now() WHERE settings.value <> excluded.value`, string(text)).Error
}
