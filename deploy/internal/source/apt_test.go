package source

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// fakeApt puts a script in place of apt-get.
func fakeApt(t *testing.T, body string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// PostgreSQL and Redis are installed concurrently, but two runs of apt-get at a time fail.
func TestOnlyOneAptGetRunsAtATime(t *testing.T) {
	busy := filepath.Join(t.TempDir(), "busy")
	dir := fakeApt(t, "mkdir "+busy+" || exit 100\nsleep 0.1\nrmdir "+busy)
	policy := filepath.Join(dir, "policy-rc.d")
	m := Machine{Cache: t.TempDir(), Install: true, Report: &report{}}
	errs := make(chan error)
	for _, pkg := range []string{postgresPackage, redisPackage} {
		go func() {
			errs <- m.aptInstall(t.Context(), policy, pkg)
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(policy); err == nil {
		t.Error("the policy file was not removed")
	}
}

// The packages that apt-get has installed are reported, with their dependencies.
func TestInstalledPackagesAreReported(t *testing.T) {
	dir := fakeApt(t, `[ "$1" = update ] && exit
echo "Unpacking redis-tools (5:7.0.15-1) ..."
echo "Setting up redis-tools (5:7.0.15-1) ..."
echo "Setting up redis-server (5:7.0.15-1) ..."`)
	r := &report{}
	m := Machine{Cache: t.TempDir(), Install: true, Report: r}
	if err := m.aptInstall(t.Context(), filepath.Join(dir, "policy-rc.d"), redisPackage); err != nil {
		t.Fatal(err)
	}
	if want := []string{"packages installed by apt-get: redis-tools, redis-server"}; !slices.Equal(r.changed, want) {
		t.Errorf("changed: %q, want %q", r.changed, want)
	}
}

// System packages are installed only with permission; without it the error says how to give it.
func TestAptGetIsNotRunWithoutPermission(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("apt-get is Debian's")
	}
	ran := filepath.Join(t.TempDir(), "ran")
	dir := fakeApt(t, "touch "+ran+"; exit 1")
	t.Setenv("PATH", dir)
	t.Setenv("MALL_REDIS", Apt)
	_, err := Redis(t.Context(), Machine{Cache: t.TempDir(), Report: &report{}})
	want := "--install (or MALL_INSTALL=1) allows apt-get to install redis-server"
	if os.Geteuid() != 0 {
		want = "sudo apt-get install redis-server"
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q in it", err, want)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("apt-get was run")
	}
}
