// Package source finds the programs of PostgreSQL and Redis, or brings them: installed
// ones first, else archives from Maven Central whose sums are written here, else the
// system's package manager.
package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Found is a program directory or file, and where it came from.
type Found struct {
	Path    string
	Version string
	From    string
}

// Kinds of sources, as MALL_POSTGRES and MALL_REDIS force them.
const (
	Installed = "installed"
	Embedded  = "embedded"
	Apt       = "apt"
)

type finder func(ctx context.Context, note func(string, ...any)) (Found, error)

// first tries sources in order; forced narrows them to one.
func first(ctx context.Context, what, forced string, note func(string, ...any), sources map[string]finder) (Found, error) {
	order := []string{Installed, Embedded, Apt}
	if forced != "" {
		if !slices.Contains(order, forced) {
			return Found{}, fmt.Errorf("%s: source %q: want one of %s", what, forced, strings.Join(order, ", "))
		}
		order = []string{forced}
	}
	var errs []error
	for _, kind := range order {
		found, err := sources[kind](ctx, note)
		if err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			return Found{}, ctx.Err()
		}
		errs = append(errs, fmt.Errorf("%s: %w", kind, err))
	}
	return Found{}, fmt.Errorf("no %s to be had. Install it, or name a running one (MALL_POSTGRES_URL, MALL_REDIS_ADDR):\n%w", what, errors.Join(errs...))
}

// Postgres finds a directory with initdb and postgres. A major version other than 0 is
// the one that wrote the data, and no other can read it.
func Postgres(ctx context.Context, cache string, major int, note func(string, ...any)) (Found, error) {
	return first(ctx, "PostgreSQL", os.Getenv("MALL_POSTGRES"), note, map[string]finder{
		Installed: func(ctx context.Context, _ func(string, ...any)) (Found, error) {
			return installedPostgres(ctx, major)
		},
		Embedded: func(ctx context.Context, note func(string, ...any)) (Found, error) {
			if major != 0 && major != embeddedPostgresMajor {
				return Found{}, fmt.Errorf("is version %d, the data were written by %d", embeddedPostgresMajor, major)
			}
			return embeddedPostgres(ctx, cache, note)
		},
		Apt: func(ctx context.Context, note func(string, ...any)) (Found, error) {
			if err := aptInstall(ctx, "postgresql", note); err != nil {
				return Found{}, err
			}
			return installedPostgres(ctx, major)
		},
	})
}

// Redis finds a redis-server.
func Redis(ctx context.Context, cache string, note func(string, ...any)) (Found, error) {
	return first(ctx, "Redis", os.Getenv("MALL_REDIS"), note, map[string]finder{
		Installed: func(ctx context.Context, _ func(string, ...any)) (Found, error) { return installedRedis(ctx) },
		Embedded: func(ctx context.Context, note func(string, ...any)) (Found, error) {
			return embeddedRedis(ctx, cache, note)
		},
		Apt: func(ctx context.Context, note func(string, ...any)) (Found, error) {
			if err := aptInstall(ctx, "redis-server", note); err != nil {
				return Found{}, err
			}
			return installedRedis(ctx)
		},
	})
}

// PostgresHere finds what Postgres would use for new data without fetching anything.
func PostgresHere(ctx context.Context, cache string) (Found, bool) {
	if found, err := installedPostgres(ctx, 0); err == nil {
		return found, true
	}
	found := postgresIn(cache)
	_, err := os.Stat(found.Path)
	return found, err == nil
}

// RedisHere finds what Redis would use without fetching anything.
func RedisHere(ctx context.Context, cache string) (Found, bool) {
	if found, err := installedRedis(ctx); err == nil {
		return found, true
	}
	binary := redisIn(cache)
	version, err := versionOf(ctx, binary, "--version")
	return Found{Path: binary, Version: version, From: Embedded}, err == nil
}

// oldestPostgres still gets fixes, and has all that the rooms' SQL uses.
const oldestPostgres = 14

func installedPostgres(ctx context.Context, major int) (Found, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	more, _ := filepath.Glob("/usr/pgsql-*/bin")
	brew, _ := filepath.Glob("/opt/homebrew/opt/postgresql*/bin")
	dirs = slices.Concat(dirs, more, brew)
	if p, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	var best Found
	bestMajor := 0
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		version, err := versionOf(ctx, filepath.Join(dir, "postgres"), "--version")
		if err != nil {
			continue
		}
		n := Major(version)
		if n < oldestPostgres || n <= bestMajor || (major != 0 && n != major) {
			continue
		}
		best, bestMajor = Found{Path: dir, Version: version, From: Installed}, n
	}
	if bestMajor == 0 {
		if major != 0 {
			return Found{}, fmt.Errorf("none of version %d, which wrote the data", major)
		}
		return Found{}, fmt.Errorf("none from version %d on", oldestPostgres)
	}
	return best, nil
}

func installedRedis(ctx context.Context) (Found, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		version, err := versionOf(ctx, path, "--version")
		if err != nil {
			return Found{}, err
		}
		// The binding's scripts and Dapr's streams need what 6.2 brought.
		if Major(version) < 6 {
			return Found{}, fmt.Errorf("%s is %s, want 6.2 or newer", path, version)
		}
		return Found{Path: path, Version: version, From: Installed}, nil
	}
	return Found{}, errors.New("none on the PATH")
}

// versionOf asks a program and picks the first word that looks like a version.
func versionOf(ctx context.Context, path string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", path, err, strings.TrimSpace(string(out)))
	}
	for _, word := range strings.Fields(string(out)) {
		word = strings.TrimPrefix(word, "v=")
		if Major(word) > 0 && strings.Contains(word, ".") {
			return word, nil
		}
	}
	return "", fmt.Errorf("%s does not say its version: %s", path, strings.TrimSpace(string(out)))
}

// Major is the first number of a version.
func Major(version string) int {
	head, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(head)
	if err != nil {
		return 0
	}
	return n
}

// aptInstall is for root on Debian and its kin. The package would start a server of
// its own: a policy answers "not allowed" to that, as Debian provides for.
func aptInstall(ctx context.Context, pkg string, note func(string, ...any)) error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errors.New("needs root on Debian or Ubuntu")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("there is no apt-get")
	}
	policy := "/usr/sbin/policy-rc.d"
	if _, err := os.Stat(policy); os.IsNotExist(err) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return err
		}
		defer os.Remove(policy) //nolint:errcheck // ours, and of no use later
	}
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", pkg}} {
		note("apt-get %s", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, tail(string(out), 5))
		}
	}
	return nil
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
