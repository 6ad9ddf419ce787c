package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"daprmall.dev/deploy/internal/steps"
)

// npmPackage is a directory below api-gateway with a package.json, of which a check works in a copy.
type npmPackage string

// modules returns a directory that has the pinned modules of the package, which are installed once per machine.
func (p npmPackage) modules(ctx context.Context, t *tests, npm string, s *steps.Step) (string, error) {
	from := p.in(t)
	lock, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(t.at.Cache, fmt.Sprintf("%s-%.6x", string(p), sha256.Sum256(lock)))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	s.Note("installing modules by npm, once per machine")
	tmp, err := os.MkdirTemp(t.at.Cache, string(p)+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // gone already when all went well
	for _, name := range []string{"package.json", "package-lock.json"} {
		if err := copyFile(filepath.Join(from, name), filepath.Join(tmp, name)); err != nil {
			return "", err
		}
	}
	if err := generator(ctx, tmp, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return "", err
	}
	s.Changed("%s", dir)
	return dir, nil
}

func (p npmPackage) in(t *tests) string { return filepath.Join(t.at.Root, "api-gateway", string(p)) }

// inCopy works in a copy of the package with the contract above it, as they lie in the repository. The copy is below a
// directory whose modules node finds, and goes away afterwards.
func (p npmPackage) inCopy(t *tests, below string, work func(dir string) error) error {
	top, err := os.MkdirTemp(below, "run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(top) //nolint:errcheck // a temporary directory in a cache
	dir := filepath.Join(top, string(p))
	err = errors.Join(copyTree(p.in(t), dir),
		copyFile(filepath.Join(t.at.Root, "api-gateway", "openapi.yaml"), filepath.Join(top, "openapi.yaml")))
	if err != nil {
		return err
	}
	return work(dir)
}

// made are directories that programs make: they are not copied.
var made = []string{"node_modules", "dist", "generated"}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != from && slices.Contains(made, e.Name()):
			return fs.SkipDir
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, relative), 0o755)
		case !e.Type().IsRegular():
			return nil
		}
		return copyFile(path, filepath.Join(to, relative))
	})
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// generator runs a generator or compiler outside the workspace; what it prints is part of the error.
func generator(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "REDOCLY_TELEMETRY=off",
		"REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "NO_COLOR=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
