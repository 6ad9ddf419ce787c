package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rhysd/actionlint"
)

// The workflows for those who fork are correct, and use actions by their digest: a tag can be moved.
func TestWorkflowsAreCorrectAndPinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	var words bytes.Buffer
	linter, err := actionlint.NewLinter(&words, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := linter.LintFiles(files, nil)
	if err != nil || len(found) > 0 {
		t.Errorf("%v\n%s", err, &words)
	}
	uses, pinned := regexp.MustCompile(`uses: (\S+)`), regexp.MustCompile(`@[0-9a-f]{40}$`)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range uses.FindAllStringSubmatch(string(raw), -1) {
			if !pinned.MatchString(use[1]) {
				t.Errorf("%s uses %s, want it by its digest", filepath.Base(file), use[1])
			}
		}
	}
}
