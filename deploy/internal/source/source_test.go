package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// report records what is reported as changed.
type report struct {
	mu      sync.Mutex
	changed []string
}

func (r *report) Note(string, ...any) {}

func (r *report) Changed(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = append(r.changed, fmt.Sprintf(format, args...))
}

// program writes a script that only prints its version.
func program(t *testing.T, path, says string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+says+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestInstalledRedisMustBeNewEnough(t *testing.T) {
	for name, c := range map[string]struct {
		redis, valkey string
		want          string // the version found, "" for none
	}{
		"Debian 12's": {"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1", "",
			"7.0.15"},
		"the oldest accepted version": {"Redis server v=6.2.0 sha=00000000:0", "", "6.2.0"},
		"Ubuntu 22.04's":              {"Redis server v=6.0.16 sha=00000000:0", "", ""},
		"too old beside a Valkey": {"Redis server v=6.0.16 sha=00000000:0", "Valkey server v=8.0.1 sha=00000000:0",
			"8.0.1"},
		"none": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("PATH", dir)
			for file, says := range map[string]string{"redis-server": c.redis, "valkey-server": c.valkey} {
				if says != "" {
					program(t, filepath.Join(dir, file), says)
				}
			}
			found, err := installedRedis(t.Context())
			if found.Version != c.want || (err == nil) != (c.want != "") {
				t.Errorf("found %q, %v; want %q", found.Version, err, c.want)
			}
		})
	}
}

// The error of a failed start says how to get the missing server, and does not mention the other one.
func TestTheErrorSaysHowToGetAMissingServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, c := range map[string]struct {
		forced string
		want   []string
		not    string
	}{
		"installed": {Installed, []string{"MALL_REDIS=installed", "none on the PATH", "MALL_REDIS_ADDR", "unset MALL_REDIS"},
			"MALL_POSTGRES"},
		"apt":      {Apt, []string{"MALL_REDIS=apt", "apt-get", "MALL_REDIS_ADDR"}, "MALL_POSTGRES"},
		"misspelt": {"ebmedded", []string{"MALL_REDIS=ebmedded", "want one of installed, embedded, apt"}, "MALL_POSTGRES"},
	} {
		t.Setenv("MALL_REDIS", c.forced)
		_, err := Redis(t.Context(), Machine{Cache: t.TempDir(), Report: &report{}})
		if err == nil {
			t.Errorf("%s: found something", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), c.not) {
			t.Errorf("%s: %q mentions %s", name, err, c.not)
		}
	}
}

// doctor finds the same server that up would use: of the forced source, and of the version that wrote the data.
func TestDoctorFindsTheServerThatUpWouldUse(t *testing.T) {
	bin, cache := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	program(t, filepath.Join(bin, "redis-server"), "Redis server v=7.0.15 sha=00000000:0")
	program(t, redisIn(cache), "Valkey server v=9.1.2 sha=00000000:0")
	for forced, want := range map[string]string{"": Installed, Installed: Installed, Embedded: Embedded} {
		t.Setenv("MALL_REDIS", forced)
		look, err := LookRedis(t.Context(), cache)
		start, startErr := Redis(t.Context(), Machine{Cache: cache, Report: &report{}})
		if err != nil || startErr != nil || look != start || look.From != want {
			t.Errorf("MALL_REDIS=%q: doctor finds %v, %v; up uses %v, %v; want %s", forced, look, err, start, startErr,
				want)
		}
	}
	program(t, filepath.Join(postgresIn(cache).Path, "initdb"), "initdb (PostgreSQL) 18.6")
	t.Setenv("MALL_POSTGRES", "")
	if look, err := LookPostgres(t.Context(), cache, embeddedPostgresMajor); err != nil ||
		Major(look.Version) != embeddedPostgresMajor {
		t.Errorf("data of version %d: doctor finds %v, %v", embeddedPostgresMajor, look, err)
	}
	t.Setenv("MALL_POSTGRES", Embedded)
	if look, err := LookPostgres(t.Context(), cache, embeddedPostgresMajor-1); err == nil {
		t.Errorf("data of version %d: doctor finds %v, which cannot read them", embeddedPostgresMajor-1, look)
	}
}
