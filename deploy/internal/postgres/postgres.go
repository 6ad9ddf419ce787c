// Package postgres brings up a private PostgreSQL, and gives every service its own role
// and database in whatever PostgreSQL the mall uses.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/supervise"
)

// Instance is a private PostgreSQL on this machine.
type Instance struct {
	Bin      string // directory with initdb and postgres
	Version  string
	Dir      string
	Port     int
	Password string // of the superuser, postgres
	User     source.User
	// Unsafe trades durability for speed; for tests, whose data may be lost.
	Unsafe bool
}

// DataMajor is the version that wrote a data directory, 0 if there is none.
func DataMajor(dir string) int {
	raw, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return 0
	}
	return source.Major(strings.TrimSpace(string(raw)))
}

// Prepare creates the database cluster once. It is made elsewhere and moved, so that an
// interrupted initdb does not look like a cluster.
func (i Instance) Prepare(ctx context.Context) error {
	if DataMajor(i.Dir) != 0 {
		return nil
	}
	if err := i.User.MakeDir(filepath.Dir(i.Dir)); err != nil {
		return err
	}
	tmp := i.Dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	pw := i.Dir + ".pw"
	if err := i.User.Write(pw, []byte(i.Password)); err != nil {
		return err
	}
	defer os.Remove(pw) //nolint:errcheck // read once by initdb
	args := []string{"-D", tmp, "--username=postgres", "--auth=scram-sha-256", "--pwfile=" + pw, "--encoding=UTF8",
		"--no-instructions"}
	if i.Unsafe {
		args = append(args, "--no-sync")
	}
	var err error
	for _, locale := range locales(source.Major(i.Version)) {
		cmd := exec.CommandContext(ctx, filepath.Join(i.Bin, "initdb"), append(args, locale...)...)
		cmd.Env, cmd.Dir = environment(), filepath.Dir(i.Dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: i.User.Credential()}
		out, failed := cmd.CombinedOutput()
		if failed == nil {
			return os.Rename(tmp, i.Dir)
		}
		err = fmt.Errorf("initdb: %w\n%s", failed, out)
		if rm := os.RemoveAll(tmp); rm != nil {
			return rm
		}
	}
	return err
}

// locales, best first. Words of all languages must count as words, the same on every
// machine, so the system's own locale is never used.
func locales(major int) [][]string {
	plain := [][]string{{"--locale=C.UTF-8"}, {"--locale=C.utf8"}, {"--locale=en_US.UTF-8"}, {"--locale=C"}}
	if major >= 17 {
		builtin := []string{"--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"}
		// Extensions still ask the system what a letter is, where it can say.
		return append([][]string{append(builtin, "--lc-ctype=C.UTF-8"), builtin}, plain...)
	}
	return plain
}

// Spec is how it is kept running.
func (i Instance) Spec(name, log string) supervise.Spec {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"max_connections":         "300",
		"shared_buffers":          "64MB",
		"fsync":                   "on",
		"jit":                     "off",
		// Concurrent commits share a write to disk; with few transactions none waits. Microseconds.
		"commit_delay":                        "300",
		"commit_siblings":                     "3",
		"log_lock_waits":                      "on",
		"log_error_verbosity":                 "terse", // DETAIL has rows in it, and rows have emails
		"idle_in_transaction_session_timeout": "60s",
	}
	if i.Unsafe {
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "off", "off", "off"
	} else if i.has("pg_stat_statements") {
		settings["shared_preload_libraries"] = "pg_stat_statements"
	}
	args := []string{"-D", i.Dir, "-p", strconv.Itoa(i.Port)}
	for k, v := range settings {
		args = append(args, "-c", k+"="+v)
	}
	return supervise.Spec{Name: name, Kind: "postgres", Path: filepath.Join(i.Bin, "postgres"), Args: args,
		Dir: i.Dir, Env: environment(), Log: log, User: i.User.Credential(),
		Port: i.Port, Ports: map[string]int{"postgres": i.Port},
		// SIGINT is PostgreSQL's "fast": SIGTERM would wait for every client to leave.
		Stop: syscall.SIGINT, Orphan: syscall.SIGINT, Patience: 30 * time.Second}
}

// URL is how its superuser reaches it.
func (i Instance) URL() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", i.Password),
		Host: "127.0.0.1:" + strconv.Itoa(i.Port), Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

// has reports whether a loadable library came with the server.
func (i Instance) has(library string) bool {
	for _, dir := range []string{"../lib", "../lib/postgresql"} {
		for _, ext := range []string{".so", ".dylib"} {
			if _, err := os.Stat(filepath.Join(i.Bin, dir, library+ext)); err == nil {
				return true
			}
		}
	}
	return false
}

func environment() []string {
	return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// Wait returns when the server accepts connections.
func Wait(ctx context.Context, dsn string) error {
	for {
		err := ping(ctx, dsn)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("PostgreSQL does not answer"), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
