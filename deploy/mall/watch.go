package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/runfile"

	"github.com/fsnotify/fsnotify"
)

// settled is how long files must not change before a build: an editor or git writes several in a moment.
const settled = 200 * time.Millisecond

// watch builds and restarts what is made of a source file, whenever one is saved. What does not build or start changes
// nothing.
func watch(ctx context.Context, at layout.Layout, names []string) error {
	s, err := readState(at)
	if err != nil {
		return err
	}
	apps, err := watched(at, s, names)
	if err != nil {
		return err
	}
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer files.Close() //nolint:errcheck // nothing was written
	made, err := follow(ctx, at, files, apps)
	if err != nil {
		return err
	}
	fmt.Printf("watching %d directories of %s; Ctrl-C ends it\n", len(files.WatchList()), joined(apps))
	changed := map[string]runfile.App{}
	var quiet <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-files.Errors:
			return fmt.Errorf("watch files: %w", err)
		case e := <-files.Events:
			for _, a := range made.of(e) {
				changed[a.ID], quiet = a, time.After(settled)
			}
		case <-quiet:
			all := slices.SortedFunc(maps.Values(changed), func(a, b runfile.App) int { return strings.Compare(a.ID, b.ID) })
			clear(changed)
			renew(ctx, at, all)
			if next, err := follow(ctx, at, files, apps); err == nil { // imports may have changed
				made = next
			}
		}
	}
}

// watched are the services that were named, of those that run; all, if none was.
func watched(at layout.Layout, s state, names []string) (apps []runfile.App, err error) {
	all, err := runfile.Read(filepath.Join(at.Root, "dapr.yaml"))
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if _, runs := s.Apps[a.Name()]; runs && (len(names) == 0 || slices.Contains(names, a.ID)) {
			apps = append(apps, a)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(apps, func(a runfile.App) bool { return a.ID == name }) {
			return nil, fmt.Errorf("no service %s runs in this mall", name)
		}
	}
	if len(apps) == 0 {
		return nil, errors.New("no service runs in this mall")
	}
	return apps, nil
}

// renew builds services together and restarts them in turn.
func renew(ctx context.Context, at layout.Layout, apps []runfile.App) {
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf(time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
	}
	if err := rebuild(ctx, at, apps...); err != nil {
		say("%s: %v\nThe programs built before keep running.", joined(apps), err)
		return
	}
	for _, a := range apps {
		if _, err := ask(ctx, at, http.MethodPost, "/restart/"+a.ID); err != nil {
			say("%s: %v", a.ID, err)
			continue
		}
		say("%s was restarted %.1f s after the change", a.ID, time.Since(began).Seconds())
	}
}

func joined(apps []runfile.App) string {
	var names []string
	for _, a := range apps {
		names = append(names, a.ID)
	}
	return strings.Join(names, ", ")
}

// sources are the files that services are made of.
type sources struct {
	dirs  map[string][]runfile.App // of Go files
	files map[string][]runfile.App // that are embedded
}

// of returns the services that a change of a file concerns.
func (s sources) of(e fsnotify.Event) []runfile.App {
	if e.Op == fsnotify.Chmod {
		return nil
	}
	if strings.HasSuffix(e.Name, ".go") && !strings.HasSuffix(e.Name, "_test.go") {
		return s.dirs[filepath.Dir(e.Name)]
	}
	return s.files[e.Name]
}

// follow finds what services are made of and has it watched.
func follow(ctx context.Context, at layout.Layout, files *fsnotify.Watcher, apps []runfile.App) (sources, error) {
	made, err := sourcesOf(ctx, at, apps)
	if err != nil {
		return made, err
	}
	for dir := range made.dirs {
		if err := files.Add(dir); err != nil {
			return made, fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	for file := range made.files {
		if err := files.Add(filepath.Dir(file)); err != nil {
			return made, fmt.Errorf("watch %s: %w", file, err)
		}
	}
	return made, nil
}

// sourcesOf asks the go command.
func sourcesOf(ctx context.Context, at layout.Layout, apps []runfile.App) (sources, error) {
	made := sources{map[string][]runfile.App{}, map[string][]runfile.App{}}
	args := []string{"list", "-deps", "-json=Dir,ImportPath,Deps,EmbedFiles"}
	programs := map[string]runfile.App{}
	for _, a := range apps {
		dir, err := a.Package()
		if err != nil {
			return made, err
		}
		args = append(args, dir)
		programs[dir] = a
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = at.Root
	out, err := cmd.Output()
	if err != nil {
		return made, fmt.Errorf("list the packages: %w", err)
	}
	type pkg struct {
		Dir, ImportPath  string
		Deps, EmbedFiles []string
	}
	byPath := map[string]pkg{}
	for in := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return made, fmt.Errorf("list the packages: %w", err)
		}
		if strings.HasPrefix(p.Dir, at.Root+string(filepath.Separator)) {
			byPath[p.ImportPath] = p
		}
	}
	for path, p := range byPath {
		a, is := programs[p.Dir]
		if !is {
			continue
		}
		for _, dep := range append(p.Deps, path) {
			d, ours := byPath[dep]
			if !ours {
				continue
			}
			made.dirs[d.Dir] = append(made.dirs[d.Dir], a)
			for _, file := range d.EmbedFiles {
				file = filepath.Join(d.Dir, file)
				made.files[file] = append(made.files[file], a)
			}
		}
	}
	return made, nil
}
