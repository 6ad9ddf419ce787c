package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// The packages, by their names in Debian and Ubuntu.
const (
	postgresPackage  = "postgresql"
	redisPackage     = "redis-server"
	pgBouncerPackage = "pgbouncer"
	npmPackage       = "npm"
	javaPackage      = "default-jre-headless"
	mavenPackage     = "maven"
	chromiumPackage  = "chromium"
)

// byApt installs a package where that is allowed, unless it has been done.
func (m Machine) byApt(pkg string, installed finder) finder {
	return func(ctx context.Context) (Found, error) {
		if found, err := installed(ctx); err == nil {
			return found, nil
		}
		if err := aptWorks(pkg); err != nil {
			return Found{}, err
		}
		if !m.Install {
			return Found{}, fmt.Errorf("--install (or MALL_INSTALL=1) allows apt-get to install %s", pkg)
		}
		if err := m.aptInstall(ctx, "/usr/sbin/policy-rc.d", pkg); err != nil {
			return Found{}, err
		}
		return installed(ctx)
	}
}

func lookApt(pkg string, installed finder) finder {
	return func(ctx context.Context) (Found, error) {
		if found, err := installed(ctx); err == nil {
			return found, nil
		}
		return Found{From: "not found; apt-get can install " + pkg, Package: pkg}, aptWorks(pkg)
	}
}

// aptWorks returns why apt-get cannot be used here, and what the user can do.
func aptWorks(pkg string) error {
	if _, err := exec.LookPath("apt-get"); err != nil || runtime.GOOS != "linux" {
		return errors.New("there is no apt-get")
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root: sudo apt-get install " + pkg)
	}
	return nil
}

// aptInstall is for root on Debian and its kin. The package would start a server of its own: a policy answers "not
// allowed" to that, as Debian provides for. One at a time: apt-get refuses to run beside itself, and PostgreSQL and
// Redis are brought side by side.
func (m Machine) aptInstall(ctx context.Context, policy, pkg string) error {
	m.Report.Note("waiting for another apt-get")
	unlock, err := lock(ctx, filepath.Join(m.Cache, "apt.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(policy); os.IsNotExist(err) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return err
		}
		defer os.Remove(policy) //nolint:errcheck // ours, and of no use later
	}
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "-o",
		"DPkg::Lock::Timeout=120", pkg}} {
		m.Report.Note("apt-get %s %s", args[0], pkg)
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
		// Killed, it would leave packages half configured; interrupted, it ends what it has begun.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		out, err := cmd.CombinedOutput()
		if set := setUp(string(out)); len(set) > 0 {
			m.Report.Changed("packages installed by apt-get: %s", strings.Join(set, ", "))
		}
		if err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, tail(string(out), 5))
		}
	}
	return nil
}

var settingUp = regexp.MustCompile(`(?m)^Setting up (\S+) \(`)

// setUp are the packages that apt-get reports as installed or updated.
func setUp(out string) (packages []string) {
	for _, match := range settingUp.FindAllStringSubmatch(out, -1) {
		packages = append(packages, match[1])
	}
	return packages
}

// lock waits for the holder of the file, in this process or another.
func lock(ctx context.Context, path string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
