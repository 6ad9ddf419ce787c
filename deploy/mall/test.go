package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/gotest"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/deploy/internal/steps"
)

// tests is one run of the test verb.
type tests struct {
	at    layout.Layout
	board *steps.Progress
	// mods are the modules of the workspace, as directories below the repository.
	mods   []string
	short  bool
	pooled bool // only through PgBouncer
	// install allows apt-get to install what nothing else brings.
	install bool
	count   gotest.Count
	failed  []string
}

// valued are the flags of go test that may have their value in the next argument.
var valued = []string{"-bench", "-benchtime", "-count", "-cpu", "-parallel", "-run", "-skip", "-tags", "-timeout"}

// test runs everything: formatting, vet, lint, unit and store tests with the race
// detector, then the end-to-end tests on a mall of their own. With packages it runs
// only their tests.
func test(ctx context.Context, at layout.Layout, args []string) error {
	began := time.Now()
	short, pooled, all := false, false, false
	install := installByEnvironment()
	var flags, packages, shell []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-short" || a == "--short":
			short = true
		case a == "--pgbouncer":
			pooled = true
		case a == "--brokers":
			all = true
		case a == "--install":
			install = true
		case a == "--shell":
			shell, i = append([]string{}, args[i+1:]...), len(args)
		case slices.Contains(valued, "-"+strings.TrimLeft(a, "-")) && i+1 < len(args):
			flags = append(flags, a, args[i+1])
			i++
		case strings.HasPrefix(a, "-"):
			flags = append(flags, a)
		default:
			packages = append(packages, a)
		}
	}
	var err error
	if !install && askable() {
		if install, err = mayInstall(os.Stdin, os.Stdout, needsPackages(ctx, at)); err != nil {
			return err
		}
	}
	t := &tests{at: at, short: short, pooled: pooled, install: install, board: steps.New(ctx, os.Stdout)}
	if t.mods, err = modules(ctx, at.Root); err != nil {
		return err
	}
	if shell != nil {
		return t.withServers(ctx, func(s testServices) error { return t.shell(s.env, shell) })
	}
	if all {
		packages = append(packages, "./deploy/e2e")
	}
	whole := len(packages) == 0 && len(flags) == 0 && !pooled
	if whole {
		t.check(ctx, "gofmt", t.gofmt)
		t.check(ctx, "vet", t.vet)
		t.check(ctx, "lint", t.lint)
		t.check(ctx, "go client", t.goClient)
		t.check(ctx, "ts client", t.typeScriptClient)
		t.check(ctx, "storefront", t.shop)
		t.check(ctx, "chart", t.chart)
	}
	e2e := (whole && !short && t.hasE2E()) || slices.ContainsFunc(packages, isE2E)
	packages = slices.DeleteFunc(packages, isE2E)
	if len(packages) > 0 || !e2e || whole {
		t.unit(ctx, packages, flags)
	}
	switch {
	case !e2e:
	case all:
		for _, kind := range broker.Kinds {
			t.endToEnd(ctx, kind, flags)
		}
	case whole:
		t.endToEnd(ctx, broker.Redis, flags)
		t.onKafka(ctx)
	default:
		t.endToEnd(ctx, broker.Chosen(), flags)
	}
	if ctx.Err() != nil {
		t.failed = append(t.failed, "interrupted")
		t.count.Failed++
	}
	t.board.SayChanges()
	fmt.Printf("\nafter %v\n", time.Since(began).Round(time.Second))
	for _, f := range t.failed {
		fmt.Println("  ✗", f)
	}
	fmt.Println(t.count)
	if t.count.Failed > 0 {
		return exitCode(1)
	}
	return nil
}

func isE2E(pattern string) bool { return strings.Contains(pattern, "deploy/e2e") }

func (t *tests) hasE2E() bool {
	files, _ := filepath.Glob(filepath.Join(t.at.Root, "deploy", "e2e", "*_test.go"))
	return len(files) > 0
}

// check counts a tool like a test.
func (t *tests) check(ctx context.Context, name string, run func(context.Context, *steps.Step) error) {
	if ctx.Err() != nil {
		return
	}
	if err := t.board.Do(ctx, name, func(s *steps.Step) error { return run(ctx, s) }); err != nil {
		t.failed = append(t.failed, name)
		t.count.Failed++
		return
	}
	t.count.Passed++
}

// modules are the workspace's, relative to the repository.
func modules(ctx context.Context, root string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the workspace's modules: %w", err)
	}
	var mods []string
	for _, dir := range strings.Fields(string(out)) {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return nil, err
		}
		mods = append(mods, filepath.ToSlash(rel))
	}
	return mods, nil
}

// patterns name all packages of the workspace.
func (t *tests) patterns() []string {
	var out []string
	for _, m := range t.mods {
		out = append(out, "./"+m+"/...")
	}
	return out
}

func (t *tests) gofmt(ctx context.Context, _ *steps.Step) error {
	cmd := exec.CommandContext(ctx, "gofmt", append([]string{"-l"}, t.mods...)...)
	cmd.Dir = t.at.Root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if len(out) > 0 {
		return fmt.Errorf("not formatted:\n%s", out)
	}
	return nil
}

// vet includes the end-to-end tests, which only compile with their tag.
func (t *tests) vet(ctx context.Context, _ *steps.Step) error {
	return t.tool(ctx, "go", append([]string{"vet", "-tags", "e2e"}, t.patterns()...)...)
}

// lintVersion is no tool of a go.mod: as one, golangci-lint adds 206 modules to it and moves the versions of our own
// dependencies. Built outside the workspace it has those it was released with, checked by the sum database all the
// same.
const lintVersion = "v2.15.0"

func (t *tests) lint(ctx context.Context, s *steps.Step) error {
	dir := filepath.Join(t.at.Cache, "golangci-lint-"+lintVersion)
	binary := filepath.Join(dir, "golangci-lint")
	if _, err := os.Stat(binary); err != nil {
		s.Note("building golangci-lint %s, once per machine", lintVersion)
		if err := t.installLint(ctx, dir, s); err != nil {
			return err
		}
	}
	s.Note("golangci-lint %s", lintVersion)
	return t.tool(ctx, binary, append([]string{"run", "--build-tags", "e2e", "--timeout", "10m"}, t.patterns()...)...)
}

// installLint builds outside the workspace, and moves the program into its place whole.
func (t *tests) installLint(ctx context.Context, dir string, s *steps.Step) error {
	if err := os.MkdirAll(t.at.Cache, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(t.at.Cache, "lint-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // gone already when all went well
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@"+lintVersion)
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOBIN="+tmp, "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	s.Changed("%s", dir)
	return nil
}

// tool runs a checker; its output is the error.
func (t *tests) tool(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.at.Root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// gotest runs packages and reads what they say. More than exit status 1 (a pattern
// that matches nothing, say) is a failure of its own. Of tests of a mall that runs, with logs, each is shown.
func (t *tests) gotest(ctx context.Context, logs string, args, env []string) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir = t.at.Root
	cmd.Env = env
	cmd.Stderr = os.Stdout
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.fail("go test", err)
		return
	}
	r := gotest.Reader{Out: os.Stdout, Live: logs != "", Logs: logs, Quiet: 10 * time.Second,
		Compiling: func() []string { return compiling(proc.Commands(cmd.Process.Pid)) },
		Short:     func(s string) string { return strings.TrimPrefix(s, "daprmall.dev/") }}
	count, failed, err := r.Read(out)
	t.count.Add(count)
	t.failed = append(t.failed, failed...)
	if err := errors.Join(err, cmd.Wait()); err != nil && count.Failed == 0 {
		t.fail("go test", err)
	}
}

// compiling finds the packages in the command lines of the compilers and linkers that run.
func compiling(commands [][]string) (packages []string) {
	for _, args := range commands {
		switch filepath.Base(args[0]) {
		case "compile":
			if i := slices.Index(args, "-p"); i >= 0 && i+1 < len(args) {
				packages = append(packages, args[i+1])
			}
		case "link":
			packages = append(packages, "a test program (linking)")
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

func (t *tests) fail(what string, err error) {
	fmt.Printf("  ✗ %s: %v\n", what, err)
	t.failed = append(t.failed, what)
	t.count.Failed++
}
