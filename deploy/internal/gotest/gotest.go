// Package gotest reads what `go test -json` says: it counts, shows a line per package,
// and shows everything a failing test printed.
package gotest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Count is the result of a run. A test with subtests is not counted: they are.
type Count struct{ Passed, Failed, Skipped int }

// Add sums up.
func (c *Count) Add(o Count) {
	c.Passed += o.Passed
	c.Failed += o.Failed
	c.Skipped += o.Skipped
}

// String is the last line of a test command.
func (c Count) String() string {
	s := fmt.Sprintf("%d passed, %d failed", c.Passed, c.Failed)
	if c.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", c.Skipped)
	}
	return s
}

type event struct {
	Action, Package, Test, Output, ImportPath, FailedBuild string
	Elapsed                                                float64
}

// pkg is one package on its way.
type pkg struct {
	running map[string]bool
	results map[string]string   // test → pass, fail, skip
	output  map[string][]string // test ("" is the package itself) → what it printed
}

// Reader reads one run.
type Reader struct {
	// Short turns an import path into what people read.
	Short func(string) string
	Out   io.Writer
	// Live shows each test as it ends, for packages that run for minutes.
	Live bool
	// Quiet is how long there may be no output before progress is shown. 0: no limit.
	Quiet time.Duration
	// Logs is the directory of the logs in which to look for the requests that a failing test names; "" for none.
	Logs string
	// Compiling names what is compiled now; may be nil.
	Compiling func() []string

	said   bool // since the last tick
	began  time.Time
	done   int
	pkgs   map[string]*pkg
	builds map[string][]string
	count  Count
	failed []string
}

// Read reads to the end and returns the count. Lines that are no events (a linker's
// words, say) are shown as they are.
func (r *Reader) Read(in io.Reader) (Count, []string, error) {
	r.pkgs, r.builds, r.began = map[string]*pkg{}, map[string][]string{}, time.Now()
	var tick <-chan time.Time
	if r.Quiet > 0 {
		ticker := time.NewTicker(r.Quiet)
		defer ticker.Stop()
		tick = ticker.C
	}
	lines, ended := make(chan []byte), make(chan error, 1)
	go func() {
		defer close(lines)
		for from := bufio.NewReader(in); ; {
			line, err := from.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	for {
		select {
		case line, more := <-lines:
			if !more {
				err := <-ended
				if errors.Is(err, io.EOF) {
					err = nil
				}
				return r.count, r.failed, err
			}
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				r.say("%s", line)
			} else {
				r.event(e)
			}
		case <-tick:
			if !r.said {
				r.progress()
			}
			r.said = false
		}
	}
}

func (r *Reader) say(format string, args ...any) {
	r.said = true
	_, _ = fmt.Fprintf(r.Out, format, args...)
}

// progress shows what is being compiled and run. A package that waits for its compiler has not started.
func (r *Reader) progress() {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.pkgs)) {
		var tests []string
		for test := range r.pkgs[name].running {
			if !strings.Contains(test, "/") {
				tests = append(tests, test)
			}
		}
		slices.Sort(tests)
		parts = append(parts, strings.TrimSpace("running "+r.Short(name)+" "+strings.Join(tests, ", ")))
	}
	if r.Compiling != nil {
		if packages := r.Compiling(); len(packages) > 0 {
			for i, p := range packages {
				packages[i] = r.Short(p)
			}
			parts = append(parts, "compiling "+strings.Join(packages, ", "))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "compiling")
	}
	_, _ = fmt.Fprintf(r.Out, "  … %-4v %s (%d packages done)\n", time.Since(r.began).Round(time.Second),
		strings.Join(parts, "; "), r.done)
}

func (r *Reader) event(e event) {
	if e.Action == "build-output" {
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.pkgs[e.Package]
	if p == nil {
		p = &pkg{map[string]bool{}, map[string]string{}, map[string][]string{}}
		r.pkgs[e.Package] = p
	}
	switch e.Action {
	case "run":
		p.running[e.Test] = true
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			delete(p.running, e.Test)
			p.results[e.Test] = e.Action
			if r.Live && !strings.Contains(e.Test, "/") {
				r.say("    %-4s %-50s %.1f s\n", e.Action, e.Test, e.Elapsed)
			}
			return
		}
		r.finish(p, e)
		r.done++
		delete(r.pkgs, e.Package)
	}
}

func (r *Reader) finish(p *pkg, e event) {
	// A test that ended in neither way was running when its package died.
	for test := range p.output {
		if test != "" && p.results[test] == "" && e.Action == "fail" {
			p.results[test] = "fail"
		}
	}
	var count Count
	var failed []string
	names := slices.Sorted(maps.Keys(p.results))
	for _, test := range names {
		if p.results[test] == "fail" {
			failed = append(failed, test)
		}
		if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, test+"/") }) {
			// A parent that fails although its children pass failed by itself.
			below := slices.ContainsFunc(names, func(n string) bool {
				return strings.HasPrefix(n, test+"/") && p.results[n] == "fail"
			})
			if p.results[test] == "fail" && !below {
				count.Failed++
				r.failed = append(r.failed, r.Short(e.Package)+" "+test)
			}
			continue
		}
		switch p.results[test] {
		case "pass":
			count.Passed++
		case "fail":
			count.Failed++
			r.failed = append(r.failed, r.Short(e.Package)+" "+test)
		case "skip":
			count.Skipped++
		}
	}
	if e.Action == "fail" && count.Failed == 0 {
		count.Failed = 1 // it did not compile, or its TestMain failed
	}
	r.count.Add(count)
	name := r.Short(e.Package)
	switch {
	case e.Action == "fail":
		r.say("  ✗ %-44s %s  %.1f s\n", name, count, e.Elapsed)
		r.show(p, e, failed)
		if len(failed) == 0 {
			r.failed = append(r.failed, name)
		}
	case len(p.results) > 0:
		r.say("  ✓ %-44s %s  %.1f s\n", name, count, e.Elapsed)
	}
}

// show prints what the failing tests said, and what the package said by itself.
func (r *Reader) show(p *pkg, e event, failed []string) {
	var lines []string
	if e.FailedBuild != "" {
		lines = append(lines, r.builds[e.FailedBuild]...)
	}
	for _, test := range failed {
		lines = append(lines, p.output[test]...)
	}
	lines = append(lines, traced(r.Logs, lines)...)
	lines = append(lines, p.output[""]...)
	for _, l := range lines {
		_, _ = fmt.Fprint(r.Out, "      "+l)
	}
}
