// Package settings keeps a service's last good settings in its own database, in case the configuration store loses
// them.
package settings

import (
	"context"
	"embed"
	"encoding/json"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/postgres"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the table.
var Migrations = postgres.Migrations{Name: "settings", FS: files}

// Store implements config.Memory.
type Store struct{ db *gorm.DB }

type row struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Version int64  `json:"version"`
}

// New makes a store on a service's database.
func New(db *gorm.DB) *Store { return &Store{db} }

// Load returns every value that was kept.
func (s *Store) Load(ctx context.Context) (map[string]config.Value, error) {
	var rows []row
	if err := s.db.WithContext(ctx).Raw("SELECT key, value, version FROM settings").Scan(&rows).Error; err != nil {
		return nil, err
	}
	values := make(map[string]config.Value, len(rows))
	for _, r := range rows {
		values[r.Key] = config.Value{Text: r.Value, Version: r.Version}
	}
	return values, nil
}

// Save keeps values, all or none. It writes in the order of keys, so that replicas do not deadlock.
func (s *Store) Save(ctx context.Context, values map[string]config.Value) error {
	rows := make([]row, 0, len(values))
	for key, v := range values {
		rows = append(rows, row{key, v.Text, v.Version})
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return s.db.WithContext(ctx).Exec(`INSERT INTO settings (key, value, version)
		SELECT key, value, version FROM jsonb_to_recordset(?::jsonb) r (key text, value text, version bigint) ORDER BY key
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, updated_at = now()
			WHERE excluded.version = 0 OR excluded.version >= settings.version`, string(text)).Error
}
