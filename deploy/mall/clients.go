package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/steps"
)

// clients is where generators are tried on openapi.yaml.
const clients = "api-gateway/clients"

// goClient generates a client in Go and compiles it with its example.
func (t *tests) goClient(ctx context.Context, _ *steps.Step) error {
	return t.inCopy(t.at.Cache, func(dir string) error {
		generate := []string{"tool", "ogen", "--config", "ogen.yml", "--target", "generated", "--package", "mall", "--clean",
			"../openapi.yaml"}
		if err := generator(ctx, dir, "go", generate...); err != nil {
			return err
		}
		return generator(ctx, dir, "go", "vet", "./...")
	})
}

// typeScriptClient generates a client in TypeScript, compiles it with its example, and lets two linters read the
// contract.
func (t *tests) typeScriptClient(ctx context.Context, s *steps.Step) error {
	npm, err := source.NPM(ctx, t.machine(t.at, s))
	if err != nil {
		s.LeaveOut("%v", err)
		return nil
	}
	modules, err := t.nodeModules(ctx, npm.Path, s)
	if err != nil {
		return err
	}
	return t.inCopy(modules, func(dir string) error { // node looks for modules in the folders above
		for _, script := range []string{"generate", "check", "lint"} {
			if err := generator(ctx, dir, npm.Path, "run", "--silent", script); err != nil {
				return err
			}
		}
		return nil
	})
}

// nodeModules returns the folder of the pinned modules, which are installed once per machine.
func (t *tests) nodeModules(ctx context.Context, npm string, s *steps.Step) (string, error) {
	from := filepath.Join(t.at.Root, clients)
	lock, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(t.at.Cache, fmt.Sprintf("clients-%.6x", sha256.Sum256(lock)))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	s.Note("installing generators by npm, once per machine")
	tmp, err := os.MkdirTemp(t.at.Cache, "clients-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // gone already when all went well
	if err := copyFiles(from, tmp); err != nil {
		return "", err
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

// inCopy works in a copy of the folder of clients with the contract above it, as they lie in the repository; it goes
// away afterwards.
func (t *tests) inCopy(below string, work func(dir string) error) error {
	top, err := os.MkdirTemp(below, "run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(top) //nolint:errcheck // a temporary folder in a cache
	dir := filepath.Join(top, "clients")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := copyFiles(filepath.Join(t.at.Root, clients), dir); err != nil {
		return err
	}
	contract, err := os.ReadFile(filepath.Join(t.at.Root, clients, "..", "openapi.yaml"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(top, "openapi.yaml"), contract, 0o600); err != nil {
		return err
	}
	return work(dir)
}

// copyFiles leaves folders out: what somebody has generated or installed there.
func copyFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// generator runs a generator or compiler outside the workspace; what it prints is part of the error.
func generator(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "REDOCLY_TELEMETRY=off",
		"REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
