package services_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testName = regexp.MustCompile(`\bTest[A-Z]\w+`)
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
)

// Every crash point in docs/crash-points.md has a test: one whose test was renamed or removed would not be tested any
// more.
func TestCrashPointsHaveTheirTests(t *testing.T) {
	root := ".."
	exists := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "crash-points.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(doc)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| the cut") {
			continue
		}
		rows++
		cells := strings.Split(line, "|")
		names := testName.FindAllString(cells[3], -1)
		if len(names) == 0 {
			t.Errorf("no test: %s", cells[1])
		}
		for _, name := range names {
			if !exists[name] {
				t.Errorf("%s of %q does not exist", name, cells[1])
			}
		}
	}
	if rows < 50 {
		t.Errorf("only %d crash points found, too few", rows)
	}
}
