// Package postgrestest gives each test its own real PostgreSQL database, copied from a
// template that was migrated once per set of migrations.
package postgrestest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
)

var count atomic.Int64

// Open returns a migrated, empty database that is dropped when the test ends. It needs
// MALL_TEST_POSTGRES_URL, a superuser's DSN, which `go run ./deploy/mall test` sets, also for plain
// `go test` (shell.go); without it the test fails, or is skipped under -short. With
// MALL_TEST_PGBOUNCER_URL, the DSN of a PgBouncer in front of the same server, the test uses its
// database through that.
func Open(t testing.TB, sets ...postgres.Migrations) *gorm.DB {
	t.Helper()
	server := os.Getenv("MALL_TEST_POSTGRES_URL")
	if server == "" {
		if testing.Short() {
			t.Skip("needs PostgreSQL")
		}
		t.Fatal("MALL_TEST_POSTGRES_URL is not set: run this by `go run ./deploy/mall test` or in its --shell")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	admin := open(ctx, t, server)
	defer closeDB(admin)

	template := "t_" + fingerprint(t, sets)
	err := admin.Connection(func(conn *gorm.DB) error { // one connection: the lock belongs to it
		if err := conn.Exec("SELECT pg_advisory_lock(20260101)").Error; err != nil {
			return err
		}
		defer conn.Exec("SELECT pg_advisory_unlock(20260101)")
		return makeTemplate(ctx, t, conn, server, template, sets)
	})
	if err != nil {
		t.Fatalf("prepare template database: %v", err)
	}
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), count.Add(1))
	if err := admin.Exec(fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", name, template)).
		Error; err != nil {
		t.Fatalf("create test database: %v", err)
	}
	at := server
	if pooled := os.Getenv("MALL_TEST_PGBOUNCER_URL"); pooled != "" {
		at = pooled
	}
	db := open(ctx, t, withDatabase(t, at, name))
	t.Cleanup(func() {
		closeDB(db)
		last := open(context.Background(), t, server) //nolint:usetesting // t.Context has ended when a test cleans up
		defer closeDB(last)
		if err := last.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)").Error; err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	return db
}

func makeTemplate(ctx context.Context, t testing.TB, admin *gorm.DB, server, template string,
	sets []postgres.Migrations) error {
	t.Helper()
	var exists bool
	if err := admin.Raw("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = ? AND datistemplate)",
		template).Scan(&exists).Error; err != nil || exists {
		return err
	}
	if err := admin.Exec("DROP DATABASE IF EXISTS " + template).Error; err != nil {
		return err
	}
	if err := admin.Exec("CREATE DATABASE " + template).Error; err != nil {
		return err
	}
	db := open(ctx, t, withDatabase(t, server, template))
	err := postgres.Migrate(ctx, db, sets...)
	closeDB(db)
	if err != nil {
		return err
	}
	return admin.Exec("ALTER DATABASE " + template + " IS_TEMPLATE true").Error
}

func open(ctx context.Context, t testing.TB, dsn string) *gorm.DB {
	t.Helper()
	db, err := postgres.Open(ctx, func() []string { return []string{dsn} })
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	return db
}

func closeDB(db *gorm.DB) {
	if pool, err := db.DB(); err == nil {
		_ = pool.Close()
	}
}

func withDatabase(t testing.TB, dsn, name string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("MALL_TEST_POSTGRES_URL is not a URL")
	}
	u.Path = "/" + name
	return u.String()
}

func fingerprint(t testing.TB, sets []postgres.Migrations) string {
	t.Helper()
	h := sha256.New()
	for _, s := range sets {
		h.Write([]byte(s.Name))
		err := fs.WalkDir(s.FS, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(s.FS, path)
			h.Write([]byte(path))
			h.Write(text)
			return err
		})
		if err != nil {
			t.Fatalf("read migrations: %v", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
