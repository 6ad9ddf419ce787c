package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"sort"
	"strings"

	"gorm.io/gorm"
)

// migrateLock is the advisory lock that lets one process of many migrate.
const migrateLock = 0x6d616c6c01

//go:embed migrations/*.sql
var files embed.FS

// Defaults sets what every session of the database begins with.
var Defaults = Migrations{Name: "postgres", FS: files}

// Migrations is a named folder of NNNN_what.sql files. Files are expand-only: two versions of a
// service may run side by side, so a file never removes what the version before needs.
type Migrations struct {
	Name string
	FS   fs.FS
}

// Migrate applies every file that was not applied yet, each with its record in one transaction,
// under a lock that other replicas wait for. Sessions begin anew after it: what Defaults says holds for those that come.
func Migrate(ctx context.Context, db *gorm.DB, sets ...Migrations) error {
	err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec("SELECT pg_advisory_xact_lock(?)", migrateLock).Error; err != nil {
			return fmt.Errorf("lock migrations: %w", err)
		}
		err := tx.Exec(`CREATE TABLE IF NOT EXISTS schema_migrations (
			name text NOT NULL, file text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, file))`).Error
		if err != nil {
			return fmt.Errorf("create schema_migrations: %w", err)
		}
		for _, set := range sets {
			if err := apply(tx, set); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	pool.SetMaxIdleConns(0) // ends those that are idle
	DefaultPool.set(pool)
	return nil
}

func apply(tx *gorm.DB, set Migrations) error {
	files, err := fs.Glob(set.FS, "*.sql")
	if err != nil || len(files) == 0 {
		if files, err = fs.Glob(set.FS, "*/*.sql"); err != nil {
			return err
		}
	}
	sort.Strings(files)
	for _, file := range files {
		name := file[strings.LastIndex(file, "/")+1:]
		var done bool
		if err := tx.Raw("SELECT EXISTS (SELECT 1 FROM schema_migrations WHERE name = ? AND file = ?)", set.Name, name).Scan(&done).Error; err != nil {
			return err
		}
		if done {
			continue
		}
		text, err := fs.ReadFile(set.FS, file)
		if err != nil {
			return err
		}
		// A connection's simple protocol runs a file of many statements; without arguments pgx uses it.
		if err := tx.Exec(string(text)).Error; err != nil {
			return fmt.Errorf("migration %s/%s: %w", set.Name, name, err)
		}
		if err := tx.Exec("INSERT INTO schema_migrations (name, file) VALUES (?, ?)", set.Name, name).Error; err != nil {
			return fmt.Errorf("record migration %s/%s: %w", set.Name, name, err)
		}
	}
	return nil
}
