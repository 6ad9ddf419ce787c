package services_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	mounting = regexp.MustCompile(`inbox\.On\w*\(.*`)
	mounted  = regexp.MustCompile(`inbox\.On\w*\(\w+, "\w+", (\w+)v1\.Type(\w+), \w+\.(On\w+)\)`)
)

// Every service mounts its event handlers in api.Routes and names them after aggregate and event, so that a search for
// OnOrderPlaced finds all consumers of order.placed.
func TestEventHandlersAreNamedAlike(t *testing.T) {
	files, err := filepath.Glob("*/internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	mains, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(files, mains...) {
		if strings.HasPrefix(file, "kit/") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range mounting.FindAllString(string(text), -1) {
			found++
			m := mounted.FindStringSubmatch(call)
			if m == nil {
				t.Errorf("%s: the handler of %s is not named On…", file, call)
				continue
			}
			want := "On" + strings.ToUpper(m[1][:1]) + m[1][1:] + m[2]
			if filepath.Base(file) != "routes.go" || !strings.HasPrefix(m[3], want) {
				t.Errorf("%s: the handler of %s is %s, want %s in api/routes.go", file, call, m[3], want)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d handlers were found", found)
	}
}

// A request is run with its key by a use case: handlers read the request and write the answer.
func TestUseCasesRunKeyedRequests(t *testing.T) {
	files, err := filepath.Glob("*/internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") || !strings.Contains(string(text), "keys.Do(") {
			continue
		}
		found++
		if filepath.Base(filepath.Dir(file)) == "api" {
			t.Errorf("%s runs a request itself", file)
		}
	}
	if found < 6 {
		t.Errorf("only %d files with use cases were found", found)
	}
}
