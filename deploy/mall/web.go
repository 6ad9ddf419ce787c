package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/steps"
)

// web runs Vite's development server for the web shop, whose API is the mall that runs, until Ctrl-C.
func web(ctx context.Context, at layout.Layout, _ []string) error {
	s, err := readState(at)
	if err != nil {
		return err
	}
	gateway, runs := s.Apps["api-gateway"]
	if !runs {
		return errors.New("the gateway is not running")
	}
	dir := filepath.Join(at.Root, "api-gateway", string(storefront))
	if err := webModules(ctx, at, dir); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "node_modules", ".bin", "vite"))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "MALL_URL="+gateway.URL)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("vite: %w", err)
	}
	return nil
}

// webModules installs what package-lock.json pins beside the source, unless that was done.
func webModules(ctx context.Context, at layout.Layout, dir string) error {
	pinned, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	mark := filepath.Join(dir, "node_modules", ".mall-lock")
	if installed, err := os.ReadFile(mark); err == nil && bytes.Equal(installed, pinned) {
		return nil
	}
	board := steps.New(ctx, os.Stdout)
	return board.Do(ctx, "modules", func(s *steps.Step) error {
		npm, err := source.NPM(ctx, source.Machine{Cache: at.Cache, Install: installByEnvironment(), Report: s})
		if err != nil {
			return err
		}
		if err := generator(ctx, dir, npm.Path, "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
			return err
		}
		return os.WriteFile(mark, pinned, 0o600)
	})
}
