package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A committed file that is not what the source builds is found, also if only its compressed form is old.
func TestFilesThatAreNotBuiltAreFound(t *testing.T) {
	dist := filepath.Join("..", "..", "api-gateway", "storefront", "dist")
	names, err := list(dist)
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	if err := sameFiles(dist, dist, "npm run build"); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(dir string) error{
		"index.html": func(dir string) error { return os.WriteFile(filepath.Join(dir, "index.html"), []byte("x"), 0o600) },
		"index.html.br": func(dir string) error {
			return copyFile(other(names, ".br", dist), filepath.Join(dir, "index.html.br"))
		},
		"index.html.gz": func(dir string) error {
			return copyFile(other(names, ".gz", dist), filepath.Join(dir, "index.html.gz"))
		},
		"new.js": func(dir string) error { return os.WriteFile(filepath.Join(dir, "new.js"), []byte("x"), 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "dist-of-test")
		if err := copyTree(dist, dir); err != nil {
			t.Fatal(err)
		}
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		if err := sameFiles(dir, dist, "npm run build"); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a changed %s: %v", name, err)
		}
	}
}

// other is a file of a kind, not that of the page.
func other(names []string, suffix, dir string) string {
	for _, name := range names {
		if strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, "index.html") {
			return filepath.Join(dir, name)
		}
	}
	return ""
}
