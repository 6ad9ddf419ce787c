package daprd

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const ldflags = "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=" + Version

func compile(ctx context.Context, work, name string, progress func(int)) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-modfile="+filepath.Join(work, "daprd.mod"),
		"-tags", "allcomponents", "-ldflags", ldflags, "-o", filepath.Join(work, name), "./cmd/"+name)
	cmd.Dir = filepath.Join(work, "src")
	cmd.Env = environment()
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	packages := 0
	var last []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if !strings.ContainsAny(line, " \t") { // -v names a package per line; the rest are words
			packages++
			progress(packages)
			continue
		}
		last = append(last, line)
		last = last[max(0, len(last)-20):]
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, strings.Join(last, "\n"))
	}
	return nil
}

// environment keeps the user's Go settings (proxy, cache, toolchain) but not what would
// change the build: our workspace, and flags meant for other modules.
func environment() []string {
	return append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0")
}

// lock waits for other malls that build the same thing.
func lock(ctx context.Context, path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	locked := make(chan error, 1)
	go func() { locked <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-locked:
		return func() { _ = f.Close() }, err
	case <-ctx.Done():
		return nil, ctx.Err() // the file stays open until we exit, which is soon
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
