package daprd

import (
	"slices"
	"strings"
	"testing"
)

func TestComponentsAreNames(t *testing.T) {
	list := Components()
	if len(list) == 0 || !slices.IsSorted(list) {
		t.Fatalf("components: %v, want a sorted list", list)
	}
	for _, name := range list {
		if strings.HasSuffix(name, ".go") || strings.ContainsAny(name, " /#") {
			t.Errorf("component %q: want the file's name without .go", name)
		}
	}
}

func TestAChangedBuildInputGivesAnotherBinary(t *testing.T) {
	for name, path := range map[string]func(string) string{"daprd": binaryPath, "sentry": sentryPath} {
		before, unchanged := path("/cache"), modFile
		modFile = append(slices.Clone(modFile), "\n// changed"...)
		if after := path("/cache"); after == before || !strings.HasSuffix(after, "/"+name) {
			t.Errorf("path %s becomes %s after a change of daprd.mod", before, after)
		}
		modFile = unchanged
	}
}
