package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"daprmall.dev/deploy/daprd"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/deploy/internal/steps"
)

// build compiles programs into the mall's home, all in one go. When one does not
// compile the others are still built, and the error says which.
func build(ctx context.Context, at layout.Layout, dirs []string, s *steps.Step) error {
	var missing []string
	for _, dir := range dirs {
		if !hasMain(filepath.Join(at.Root, dir)) {
			missing = append(missing, dir)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("there is no program in %s (start the rest with --only)", strings.Join(missing, ", "))
	}
	s.Note("compiling %d programs", len(dirs))
	count := func(n int) { s.Note("compiling %d programs: %d packages so far", len(dirs), n) }
	if out, err := goBuild(ctx, at, dirs, count); err != nil {
		var broken []string
		for _, dir := range dirs {
			if _, err := goBuild(ctx, at, []string{dir}, nil); err != nil {
				broken = append(broken, dir)
			}
		}
		return fmt.Errorf("%s: %w\n%s", strings.Join(broken, ", "), err, out)
	}
	s.Note("%d programs", len(dirs))
	return nil
}

// goBuild compiles and returns what the compiler had to say. Progress, if wanted, is the
// number of packages compiled so far. Without tables for debuggers, linking takes half as long. Gin's MessagePack,
// which nobody asks for, would make each program 6 MB larger.
func goBuild(ctx context.Context, at layout.Layout, dirs []string, progress func(int)) (string, error) {
	args := []string{"build", "-v", "-tags=nomsgpack", "-ldflags=-s -w", "-o",
		filepath.Join(at.Home, "bin") + string(filepath.Separator)}
	for _, dir := range dirs {
		args = append(args, "./"+filepath.ToSlash(dir))
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = at.Root
	// As daprd is built, so that what both are made of is compiled once.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	packages := 0
	var words []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		// -v names a package per line; everything else has words in it.
		if line := lines.Text(); strings.ContainsAny(line, " \t") {
			words = append(words, line)
		} else if packages++; progress != nil {
			progress(packages)
		}
	}
	err = cmd.Wait()
	return strings.Join(words, "\n"), err
}

func hasMain(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	return slices.ContainsFunc(files, func(f string) bool { return !strings.HasSuffix(f, "_test.go") })
}

// programs are the directories to compile for these apps.
func programs(at layout.Layout, apps []runfile.App, lua []string) ([]string, error) {
	var dirs []string
	for _, a := range apps {
		pkg, err := a.Package()
		if err != nil {
			return nil, err
		}
		dir, err := filepath.Rel(at.Root, pkg)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
		if slices.Contains(lua, a.ID) {
			dirs = append(dirs, luaDirectory)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs), nil
}

// sidecar finds daprd, or builds it.
func sidecar(ctx context.Context, at layout.Layout, s *steps.Step) (string, error) {
	found, ok, err := daprd.Find(ctx, at.Cache)
	if err != nil {
		return "", err
	}
	if !ok {
		s.Note("building Dapr's sidecar %s, about 3 minutes, once per machine", daprd.Version)
		found, err = daprd.Build(ctx, at.Cache, func(n int) {
			s.Note("building Dapr's sidecar %s, once per machine: %d of about %d packages", daprd.Version, n, 1650)
		})
		if err != nil {
			return "", err
		}
	}
	if found.From == daprd.FromSource {
		s.Changed("%s", filepath.Dir(found.Path))
	}
	s.Note("%s, %s (%s)", found.Version, found.From, found.Path)
	return found.Path, nil
}

// sidecarPath is the verb that prints the path, for scripts and images.
func sidecarPath(ctx context.Context, at layout.Layout, _ []string) error {
	board := steps.New(ctx, os.Stderr)
	var path string
	defer board.SayChanges()
	err := board.Do(ctx, "daprd", func(s *steps.Step) (err error) {
		path, err = sidecar(ctx, at, s)
		return err
	})
	if err != nil {
		return exitCode(1)
	}
	fmt.Println(path)
	return nil
}

// tool builds one of the sibling commands and becomes it.
func tool(name string) func(context.Context, layout.Layout, []string) error {
	return func(ctx context.Context, at layout.Layout, args []string) error {
		if !hasMain(filepath.Join(at.Root, "deploy", name)) {
			return fmt.Errorf("this copy of the mall has no deploy/%s", name)
		}
		if err := at.Make(); err != nil {
			return err
		}
		if out, err := goBuild(ctx, at, []string{"deploy/" + name}, nil); err != nil {
			return fmt.Errorf("build deploy/%s: %w\n%s", name, err, out)
		}
		return runTool(ctx, at, name, args, os.Stdout)
	}
}

func runTool(ctx context.Context, at layout.Layout, name string, args []string, out *os.File) error {
	cmd := exec.CommandContext(ctx, at.Bin(name), args...)
	cmd.Dir = at.Root
	cmd.Env = append(os.Environ(), "MALL_HOME="+at.Home, fmt.Sprintf("MALL_PORT_BASE=%d", at.Base),
		"MALL_STATE="+at.StateFile())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	// It gets the chance to tidy up that we would want.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(max(1, exit.ExitCode()))
	}
	return err
}
